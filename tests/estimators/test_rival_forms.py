"""Every form finds itself, and the others do worse beyond what they were fitted to."""

import numpy as np
import pytest

from overopt.estimators.laws import LAWS
from overopt.estimators.rival_forms import RIVALS, fitted_until, held_out_error
from overopt.util.errors import UserError

KL = np.linspace(0, 6, 40) ** 2
SE = np.full(40, 0.01)
LABELLED = {law.label: law for law in (LAWS | RIVALS).values()}


def made(law, alpha=1.0, beta=0.25):
    return law.gold(KL, alpha, beta, law.shapes[len(law.shapes) // 2])


@pytest.mark.parametrize("form", LABELLED)
def test_a_form_predicts_its_own_curve(form):
    law = LABELLED[form]
    gold = made(law)
    assert held_out_error(law, KL, gold, SE, 12.0) < 1e-6
    predict = fitted_until(law, KL, gold, SE, 12.0)
    assert predict(KL[1:]) == pytest.approx(gold[1:], abs=1e-6)


@pytest.mark.parametrize("form", ["d(α − β d)", "d(α − β ln d)", "d(α − β ln(1 + d))"])
def test_the_others_of_two_parameters_do_worse(form):
    rivals = [law for law in LABELLED.values() if law.parameters == 2]
    errors = {law.label: held_out_error(law, KL, made(LABELLED[form]), SE, 12.0) for law in rivals}
    assert list(errors) == ["d(α − β d)", "d(α − β ln d)", "d(α − β ln(1 + d))"]
    assert min(errors, key=errors.get) == form
    assert sorted(errors.values())[1] > 0.01


def test_points_beyond_the_line_are_not_fitted():
    gold = made(LAWS["bon"])
    shifted = np.where(KL > 12, gold + 3, gold)
    assert held_out_error("bon", KL, shifted, SE, 12.0) == pytest.approx(3.0, abs=1e-6)


def test_too_few_points_and_bad_input():
    assert fitted_until(RIVALS["power"], KL[:3], KL[:3], SE[:3], 1e9) is None
    assert np.isnan(held_out_error("bon", KL, KL, SE, 1e9))
    with pytest.raises(UserError, match="law: found 'line'"):
        fitted_until("line", KL, KL, SE, 1.0)


def test_as_many_points_as_parameters_do_and_points_at_one_kl_do_not():
    predict = fitted_until("bon", [0.0, 1.0, 4.0], [0.0, 0.7, 0.8], [0.0, 0.1, 0.1], 9.0)
    assert predict([1.0, 4.0, 16.0]) == pytest.approx([0.7, 0.8, -0.8])
    assert fitted_until("bon", [1.0, 1.0, 1.0], [0.5, 0.6, 0.7], [0.1, 0.1, 0.1], 9.0) is None
