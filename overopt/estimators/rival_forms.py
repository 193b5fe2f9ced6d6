"""The paper's two laws beside the forms that it rejected (its appendix B), compared by error on what was not fitted."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike
from scipy.special import wrightomega

from overopt.estimators.laws import Law, coefficients, law_named
from overopt.estimators.uncertainty import at_least_usual
from overopt.util.checked_arrays import as_floats, as_nats

RIVALS = {
    "log1p": Law(
        "log1p",
        "d(α − β ln(1 + d))",
        r"d(\alpha - \beta \ln(1 + d))",
        lambda d, _: np.log1p(d),
        # R' = 0 where ln v + v = 1 - slope, with v = 1 / (1 + d)
        lambda slope, _: 1 / wrightomega(1 - slope) - 1,
    ),
    "power": Law(
        "power",
        "d(α − β dᵞ)",
        r"d(\alpha - \beta d^\gamma)",
        lambda d, gamma: d**gamma,
        lambda slope, gamma: (np.maximum(slope, 0.0) / (1 + gamma)) ** (1 / gamma),
        tuple(np.geomspace(0.05, 2.0, 30)),
    ),
    "shifted": Law(
        "shifted",
        "d(α − β ln(ε + d))",
        r"d(\alpha - \beta \ln(\varepsilon + d))",
        lambda d, epsilon: np.log(epsilon + d),
        lambda slope, epsilon: epsilon / wrightomega(np.log(epsilon) + 1 - slope) - epsilon,
        tuple(np.geomspace(0.02, 5.0, 30)),
    ),
}


def fitted_until(
    law: Law | str, kl: ArrayLike, gold: ArrayLike, gold_se: ArrayLike, until: float
) -> Callable[[ArrayLike], Float64[np.ndarray, " points"]] | None:
    """The law fitted to the points with 0 < KL <= `until` nats, weighted by 1/se^2, as a function of KL.

    Standard errors count as `overopt.estimators.uncertainty.at_least_usual` says. None where there are fewer points than
    parameters; as many do, since nothing is said of errors.

    Raises:
        UserError: (a ValueError) if the law is unknown, or a value is not finite, or a KL negative.
    """
    law, kls, golds = law_named(law), as_nats("kl", kl), as_floats("gold", gold, ("points",))
    used = (kls > 0) & (kls <= until)
    if used.sum() < law.parameters:
        return None
    found = coefficients(law, kls[used], golds[used], at_least_usual(np.asarray(gold_se, dtype=float)[used]))
    if found is None:
        return None
    shape, (alpha, beta), *_ = found
    return partial(law.gold, alpha=alpha, beta=beta, shape=shape)


def held_out_error(law: Law | str, kl: ArrayLike, gold: ArrayLike, gold_se: ArrayLike, until: float) -> float:
    """Root mean square error (SDs) beyond `until` nats of the law fitted up to there; nan where it cannot be.

    Raises:
        UserError: (a ValueError) as `fitted_until`.
    """
    predict = fitted_until(law, kl, gold, gold_se, until)
    kls, golds = np.asarray(kl, dtype=float), np.asarray(gold, dtype=float)
    beyond = kls > until
    if predict is None or not beyond.any():
        return math.nan
    return float(np.sqrt(((predict(kls[beyond]) - golds[beyond]) ** 2).mean()))
