"""The paper's two forms beside the ones it rejected (its appendix B), compared by error on what was not fitted."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from overopt.arrays import as_floats
from overopt.errors import UserError
from overopt.laws import at_least_usual, check_kl

Turn = Callable[[Float64[np.ndarray, " points"], float], Float64[np.ndarray, " points"]]

# R(d) = alpha d - beta turn(d, shape); the shape, where a form has one, is a third parameter
TURNS: dict[str, tuple[Turn, tuple[float, ...]]] = {
    "d(α − β d)": (lambda d, _: d * d, (0.0,)),
    "d(α − β ln d)": (lambda d, _: d * np.log(np.where(d > 0, d, 1.0)), (0.0,)),
    "d(α − β ln(1 + d))": (lambda d, _: d * np.log1p(d), (0.0,)),
    "d(α − β dᵞ)": (lambda d, gamma: d ** (1 + gamma), tuple(np.geomspace(0.05, 2.0, 30))),
    "d(α − β ln(ε + d))": (lambda d, eps: d * np.log(eps + d), tuple(np.geomspace(0.02, 5.0, 30))),
}
OWN = {"bon": "d(α − β d)", "ppo": "d(α − β ln d)"}


def fitted_form(
    form: str, kl: ArrayLike, gold: ArrayLike, gold_se: ArrayLike, fit_until: float
) -> Callable[[ArrayLike], Float64[np.ndarray, " points"]] | None:
    """The form fitted to the points with 0 < KL <= `fit_until` nats, weighted by 1/se^2, as a function of KL.

    Standard errors count as `overopt.laws.at_least_usual` says. None where there are fewer points than parameters.

    Raises:
        UserError: (a ValueError) if the form is unknown, or a value is not finite, or a KL negative.
    """
    if form not in TURNS:
        raise UserError(f"form: found {form!r}, expected one of {', '.join(TURNS)}")
    kls, golds, ses = (
        as_floats(name, values, ("points",))
        for name, values in {"kl": kl, "gold": gold, "gold_se": gold_se}.items()
    )
    check_kl(kls)
    turn, shapes = TURNS[form]
    used = (kls > 0) & (kls <= fit_until)
    if used.sum() < 2 + (len(shapes) > 1):
        return None
    d, usual = np.sqrt(kls[used]), at_least_usual(ses[used])
    weights = np.ones(len(d)) if usual is None else 1 / usual
    best: tuple[float, float, np.ndarray] | None = None
    for shape in shapes:
        design = np.stack([d, -turn(d, shape)], 1) * weights[:, None]
        coefficients, *_ = np.linalg.lstsq(design, golds[used] * weights, rcond=None)
        error = float(((design @ coefficients - golds[used] * weights) ** 2).sum())
        if best is None or error < best[0]:
            best = error, shape, coefficients
    assert best is not None  # every form has a shape to try
    _, shape, (alpha, beta) = best

    def predict(at: ArrayLike) -> Float64[np.ndarray, " points"]:
        distance = np.sqrt(as_floats("kl", at, ("points",)))
        return np.asarray(alpha * distance - beta * turn(distance, shape))

    return predict


def held_out_error(form: str, kl: ArrayLike, gold: ArrayLike, gold_se: ArrayLike, fit_until: float) -> float:
    """Root mean square error (SDs) beyond `fit_until` nats of the form fitted up to there; nan where it cannot be.

    Raises:
        UserError: (a ValueError) as `fitted_form`.
    """
    predict = fitted_form(form, kl, gold, gold_se, fit_until)
    kls, golds = np.asarray(kl, dtype=float), np.asarray(gold, dtype=float)
    beyond = kls > fit_until
    if predict is None or not beyond.any():
        return float("nan")
    return float(np.sqrt(((predict(kls[beyond]) - golds[beyond]) ** 2).mean()))
