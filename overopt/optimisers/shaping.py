"""What a policy is rewarded with in place of the proxy's score, and what a KL penalty costs it, against overoptimisation."""

import torch
from jaxtyping import Float
from torch import Tensor

MOST_ERROR = (
    0.2  # of KL, as a share of its target, that one iteration answers (Ziegler et al. 2019, section 2.2)
)
GAIN = 0.1  # share of that error by which an iteration changes the penalty (the same)


def clipped(scores: Float[Tensor, " batch"], most: float) -> Float[Tensor, " batch"]:
    """Scores (SDs) held between -`most` and `most`: past it a policy gains nothing.

    >>> clipped(torch.tensor([-3.0, 0.5, 9.0]), 2.0).tolist()
    [-2.0, 0.5, 2.0]
    """
    return scores.clamp(-most, most)


def preferred(
    scores: Float[Tensor, " batch"], of_base: Float[Tensor, "batch base"]
) -> Float[Tensor, " batch"]:
    """How surely, by the proxy, each completion is better than one of the base policy's for its prompt: 0 to 1.

    The mean over those of sigmoid(score - theirs), scores in SDs. It rises fast at first and then saturates. Fu et al. 2025,
    arXiv 2502.18770 ("preference as reward").

    >>> preferred(torch.tensor([0.0, 20.0]), torch.tensor([[0.0], [1.0]])).tolist()
    [0.5, 1.0]
    """
    return torch.sigmoid(scores[:, None] - of_base).mean(1)


def adapted(penalty: float, kl: float, target: float) -> float:
    """The KL penalty (SDs a nat) of the next iteration: higher where a batch's KL (nats a completion) was above `target`.

    Ziegler et al. 2019, arXiv 1909.08593, section 2.2.

    >>> round(adapted(0.1, kl=12.0, target=10.0), 6), round(adapted(0.1, kl=0.0, target=10.0), 6)
    (0.102, 0.098)
    """
    error = max(-MOST_ERROR, min(MOST_ERROR, kl / target - 1))
    return penalty * (1 + GAIN * error)
