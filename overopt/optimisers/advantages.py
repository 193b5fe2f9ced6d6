"""What each token did better than expected: advantages, which a policy gradient weighs its tokens by."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def gae(
    rewards: Float[Tensor, "batch completion"],
    values: Float[Tensor, "batch completion"],
    mask: Bool[Tensor, "batch completion"],
    *,
    lam: float,
) -> Float[Tensor, "batch completion"]:
    """Generalised advantage estimates, undiscounted; 0 on padding (Schulman et al. 2015, eq. 16).

    advantage_t = sum_k lam^k delta_(t+k), delta_t = reward_t + value_(t+1) - value_t, with value 0 past the end.
    """
    advantages = torch.zeros_like(values)
    following = values.new_zeros(len(values))  # advantage at t + 1
    next_value = values.new_zeros(len(values))
    for t in reversed(range(values.shape[1])):
        inside = mask[:, t]
        following = inside * (rewards[:, t] + next_value - values[:, t] + lam * following)
        next_value = inside * values[:, t]
        advantages[:, t] = following
    return advantages


def leave_one_out(totals: Float[Tensor, " batch"], of_each: int) -> Float[Tensor, " batch"]:
    """What each completion has more than the mean of the others of its prompt; `of_each` stand side by side.

    Kool et al. 2019; Ahmadian et al. 2024.
    """
    groups = totals.view(-1, of_each)
    others = (groups.sum(-1, keepdim=True) - groups) / (of_each - 1)
    return (groups - others).flatten()


def group_scaled(totals: Float[Tensor, " batch"], of_each: int) -> Float[Tensor, " batch"]:
    """What each completion has more than the mean of its prompt's, in SDs of its prompt's; `of_each` stand side by side.

    Where all of a prompt have the same, nothing is learnt from it. Shao et al. 2024 (GRPO), section 4.1.2.
    """
    groups = totals.view(-1, of_each)
    centred = groups - groups.mean(-1, keepdim=True)
    return (centred / (groups.std(-1, keepdim=True) + 1e-4)).flatten()


def whitened(
    advantages: Float[Tensor, "batch completion"], mask: Bool[Tensor, "batch completion"]
) -> Float[Tensor, "batch completion"]:
    """Advantages with mean 0 and standard deviation 1 over the tokens where `mask` is True."""
    centred = advantages - masked_mean(advantages, mask)
    return centred / (masked_mean(centred**2, mask).sqrt() + 1e-8)


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` is True."""
    return (values * mask).sum() / mask.sum()
