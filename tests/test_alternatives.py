"""Every form finds itself, and the others do worse beyond what they were fitted to."""

import numpy as np
import pytest

from overopt.alternatives import TURNS, fitted_form, held_out_error
from overopt.errors import UserError

KL = np.linspace(0, 6, 40) ** 2
SE = np.full(40, 0.01)


def made(form, alpha=1.0, beta=0.25):
    turn, shapes = TURNS[form]
    d = np.sqrt(KL)
    return alpha * d - beta * turn(d, shapes[len(shapes) // 2])


@pytest.mark.parametrize("form", TURNS)
def test_a_form_predicts_its_own_curve(form):
    gold = made(form)
    assert held_out_error(form, KL, gold, SE, 12.0) < 1e-6
    predict = fitted_form(form, KL, gold, SE, 12.0)
    assert predict(KL[1:]) == pytest.approx(gold[1:], abs=1e-6)


@pytest.mark.parametrize("form", ["d(α − β d)", "d(α − β ln d)", "d(α − β ln(1 + d))"])
def test_the_others_of_two_parameters_do_worse(form):
    errors = {other: held_out_error(other, KL, made(form), SE, 12.0) for other in list(TURNS)[:3]}
    assert min(errors, key=errors.get) == form
    assert sorted(errors.values())[1] > 0.01


def test_points_beyond_the_line_are_not_fitted():
    gold = made("d(α − β d)")
    shifted = np.where(KL > 12, gold + 3, gold)
    assert held_out_error("d(α − β d)", KL, shifted, SE, 12.0) == pytest.approx(3.0, abs=1e-6)


def test_too_few_points_and_bad_input():
    assert fitted_form("d(α − β dᵞ)", KL[:3], KL[:3], SE[:3], 1e9) is None
    assert np.isnan(held_out_error("d(α − β d)", KL, KL, SE, 1e9))
    with pytest.raises(UserError, match="form: found 'line'"):
        fitted_form("line", KL, KL, SE, 1.0)
