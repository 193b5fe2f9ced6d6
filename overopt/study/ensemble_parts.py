"""The part of a study that says which proxies are joined into one, and how."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from overopt.study.parts import Grid, Spec, unless

JoinName = Literal["mean", "worst", "variance"]  # of scores: the rows of `overopt.rewards.joined.JOINS`
How = Literal[JoinName, "weights"]  # or of the weights of members that have the same start


class Ensembles(Spec):
    """Best-of-n against several proxies at once, and PPO where `ppo` says so, at each of `kl_penalties` (SDs a nat).

    The seeds of `grid` are taken `members` at a time: with five, seeds 0 to 4 are ensemble 0, which is what its curves have
    for a seed. `joins` says how: by the members' mean score, by the worst, by the mean less `weight` (1 / SDs) times their
    variance (Coste et al. 2023), or by one model with the mean of their weights. Weights can be averaged of models with the
    same start alone (Ramé et al. 2024): for those, members are trained again that start with the head of the first.

    >>> grid = Grid(models=("1k",), pairs=(640,), seeds=10)
    >>> joined = Ensembles(grid=grid, members=5, joins=("mean", "variance"), weight=0.5)
    >>> joined.label("variance")
    'variance of 5, weight 0.5'
    """

    grid: Grid
    members: Annotated[int, Field(ge=2)]
    joins: Annotated[tuple[How, ...], Field(min_length=1)]
    weight: PositiveFloat | None = unless(None)
    ppo: tuple[How, ...] = ()
    kl_penalties: Annotated[tuple[NonNegativeFloat, ...], Field(min_length=1)] = (0.0,)

    def label(self, how: How) -> str:
        """What the column `ensemble` of the curves table holds."""
        weight = f", weight {self.weight:g}" if how == "variance" else ""
        return f"{how} of {self.members}{weight}"

    @model_validator(mode="after")
    def _agrees(self) -> "Ensembles":
        if self.grid.seeds % self.members:
            raise ValueError(
                f"grid.seeds: found {self.grid.seeds}, expected a multiple of members = {self.members}"
            )
        for how in self.ppo:
            if how not in self.joins:
                raise ValueError(f"ppo: found {how!r}, expected some of joins: {', '.join(self.joins)}")
        if (self.weight is not None) != ("variance" in self.joins):
            raise ValueError(f"weight: found {self.weight}, expected one with variance, and without it none")
        return self
