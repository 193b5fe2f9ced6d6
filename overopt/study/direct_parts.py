"""The parts of a study that say how policies learn from labelled pairs without a reward model: DPO, IPO and SLiC."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from overopt.study.parts import Cell, Spec, each_once, unless

DirectLoss = Literal["dpo", "ipo", "slic"]


class DirectRun(Spec):
    """One run: `epochs` passes over its pairs, looked at `looks` times after its start, densely at first, and at its end."""

    epochs: PositiveInt = 1  # more than one is further than Rafailov et al. 2024 went
    batch: PositiveInt  # pairs a step
    learning_rate: PositiveFloat  # of the policy: AdamW
    embedding_gain: NonNegativeFloat = unless(1.0)  # of the policy's embeddings, frozen at 0
    looks: PositiveInt  # evaluations after the start, at most: evenly in the logarithm of the step
    evaluation_samples: PositiveInt  # completions of each evaluation prompt


class Direct(Spec):
    """Direct alignment: every loss x beta x number of training pairs x seed, from the study's policy.

    A run of a number of pairs and a seed learns from the pairs that a proxy of that number and seed learns from. betas:
    logits a nat, what log(pi/pi0) is multiplied by: the larger, the nearer a policy stays (Rafailov et al. 2024, section 3).
    """

    losses: Annotated[tuple[DirectLoss, ...], Field(min_length=1)]
    betas: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    pairs: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]
    seeds: PositiveInt
    run: DirectRun

    @field_validator("losses", "betas", "pairs")
    @classmethod
    def _each_once(cls, values: tuple[object, ...]) -> tuple[object, ...]:
        return each_once(values)

    def cells(self, policy: str) -> list[Cell]:
        """The pairs and seed of every run, the first seed of all before the second; the policy is its own reward model."""
        counts, epochs = self.pairs, self.run.epochs
        return [Cell(policy, pairs, epochs, seed) for seed in range(self.seeds) for pairs in counts]

    def check_against(self, *, available: int, samples: int) -> None:
        """That a study with so many training pairs, and samples of each evaluation prompt, has what the runs need.

        Raises:
            ValueError: in one sentence, if it has not.
        """
        run, most, fewest = self.run, max(self.pairs), min(self.pairs)
        if most > available:
            raise ValueError(f"direct.pairs: found {most}, expected at most the {available} training pairs")
        if run.batch > fewest:
            raise ValueError(f"direct.run.batch: found {run.batch}, expected at most {fewest} pairs")
        if run.evaluation_samples > samples:
            raise ValueError(
                f"direct.run.evaluation_samples: found {run.evaluation_samples}, expected at most the {samples} of "
                "best_of_n.samples"
            )
