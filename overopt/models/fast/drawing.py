"""Drawing tokens: the inverse of a cumulative distribution, found in two steps.

Summing a vocabulary up takes as long as its softmax. Sums over blocks say in which block the token lies; only that block
is summed up.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

BLOCK = 64


def draw_tokens(
    probabilities: Float[Tensor, "rows vocabulary"], uniforms: Float[Tensor, " rows"]
) -> Int[Tensor, " rows"]:
    """The first token of each row at which the sum of probabilities so far exceeds `uniforms`, in 0 ... 1.

    Probabilities need not sum to one: `uniforms` is taken of their sum. A token of probability 0 is never drawn.
    """
    spare = -probabilities.shape[1] % BLOCK
    blocks = (F.pad(probabilities, (0, spare)) if spare else probabilities).unflatten(1, (-1, BLOCK))
    ends = blocks.sum(-1).cumsum(-1)
    target = uniforms[:, None] * ends[:, -1:]
    block = _first_above(ends, target)
    before = F.pad(ends, (1, 0)).gather(1, block)
    inside = blocks[torch.arange(len(blocks), device=blocks.device), block[:, 0]].cumsum(-1)
    return (block * BLOCK + _first_above(inside, target - before))[:, 0]


def _first_above(sums: Float[Tensor, "rows parts"], target: Float[Tensor, "rows 1"]) -> Int[Tensor, "rows 1"]:
    # rounding may take a target to the last sum or past it, behind which stand only parts that add nothing
    below_last = torch.nextafter(sums[:, -1:], torch.zeros_like(target))
    return torch.searchsorted(sums, torch.minimum(target, below_last), right=True)
