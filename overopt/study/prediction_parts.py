"""The part of a study that predicts what optimising against its proxies will bring, before anything is optimised."""

from typing import Annotated

from pydantic import Field

from overopt.study.parts import Grid, Spec


class Predictions(Spec):
    """Best-of-n to `max_n` and reinforcement learning against the proxies of `grid`, predicted from few samples.

    So many `samples` of each evaluation prompt are read, of those that the policy drew before training; n may be far beyond
    them (`overopt.estimators.pool_prediction`).

    >>> Predictions(grid=Grid(models=("1k",), pairs=(640,), seeds=1), samples=64, max_n=1024).samples
    64
    """

    grid: Grid
    # the tilted policies that fewer carry are too near each other for a law of reinforcement learning
    samples: Annotated[int, Field(ge=48)]
    max_n: Annotated[int, Field(ge=8)]  # three points above 0 nats, which a law is fitted to

    def check_against(self, *, samples: int) -> None:
        """Raise a ValueError where the pool has not so many samples a prompt."""
        if self.samples > samples:
            raise ValueError(
                f"predictions.samples: found {self.samples}, expected at most the {samples} of best_of_n.samples"
            )
