"""Pairs of policy samples that share a prompt, labelled by gold (paper, section 2.2)."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from overopt.models.samples import Samples
from overopt.models.seeding import generator


@dataclass(frozen=True)
class LabelledPairs:
    """`first[i]` and `second[i]` share a prompt; `margin` is the raw gold score of first less second."""

    first: Samples
    second: Samples
    margin: Float[Tensor, " pairs"]

    def __len__(self) -> int:
        return len(self.margin)

    def __getitem__(self, rows: Tensor | slice) -> "LabelledPairs":
        return LabelledPairs(self.first[rows], self.second[rows], self.margin[rows])

    @property
    def first_wins(self) -> Bool[Tensor, " pairs"]:
        """The deterministic label: the higher gold score wins. Equal scores go to the second."""
        return self.margin > 0


def pair_up(samples: Samples, gold: Float[Tensor, " samples"]) -> LabelledPairs:
    """Neighbours (0, 1), (2, 3), ... as pairs; the caller samples each prompt twice in a row.

    Raises:
        ValueError: if the number of samples is odd, or neighbours have different prompts.
    """
    if len(samples) % 2:
        raise ValueError(f"pairs: found {len(samples)} samples, expected an even number")
    first, second = samples[0::2], samples[1::2]
    if not torch.equal(first.prompts.ids, second.prompts.ids):
        raise ValueError("pairs: found two neighbours with different prompts, expected one prompt a pair")
    return LabelledPairs(first, second, gold[0::2] - gold[1::2])


def split(pairs: LabelledPairs, validation: float) -> tuple[LabelledPairs, LabelledPairs]:
    """Training pairs and the held-out share at the end; every proxy of a study is validated on the same pairs."""
    kept = round(len(pairs) * (1 - validation))
    return pairs[slice(0, kept)], pairs[slice(kept, None)]


def draw(pairs: LabelledPairs, count: int, seed: int) -> LabelledPairs:
    """`count` pairs without replacement, a different draw for each seed; a smaller draw is part of a larger one.

    Raises:
        ValueError: if there are fewer than `count`.
    """
    if count > len(pairs):
        raise ValueError(f"pairs: found {len(pairs)}, expected at least {count}")
    return pairs[torch.randperm(len(pairs), generator=generator(seed, "draw pairs"))[:count]]


def of_different_texts(pairs: LabelledPairs) -> LabelledPairs:
    """The pairs whose two texts differ: of the others no reward that depends on the text can say who wins."""
    differ = (pairs.first.mask != pairs.second.mask).any(-1)
    differ |= ((pairs.first.ids != pairs.second.ids) & pairs.first.mask).any(-1)
    return pairs[differ.nonzero()[:, 0]]


def turned(pairs: LabelledPairs, share: float, seed: int) -> LabelledPairs:
    """The pairs with the labels of a random `share` of them the wrong way round (Coste et al. 2023, section 4)."""
    which = torch.randperm(len(pairs), generator=generator(seed, "label noise"))[: round(share * len(pairs))]
    margin = pairs.margin.clone()
    margin[which] *= -1
    return LabelledPairs(pairs.first, pairs.second, margin)
