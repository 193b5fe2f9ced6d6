"""What a model says of the next token: log-probabilities and KL, from hidden states and the head over the vocabulary.

Tables of [tokens, vocabulary] are the widest there are: as few are made as can be, and with a gradient only one is kept.
"""

from typing import Any, TypeGuard

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from overopt.products import linear, usable

ROWS = 128  # tokens whose logits stay in the processor's cache while they are turned into probabilities


def token_logits(
    head: nn.Module, hidden: Float[Tensor, "tokens width"]
) -> Float[Tensor, "tokens vocabulary"]:
    """Logits of the next token after each hidden state."""
    if not torch.is_grad_enabled() and _plain(head, hidden):
        return linear(hidden, head.weight)
    return head(hidden).float()


def log_probs_after(
    head: nn.Module, hidden: Float[Tensor, "tokens width"], ids: Int[Tensor, " tokens"]
) -> Float[Tensor, " tokens"]:
    """Log-probability of each token after its hidden state, nats. Gradients are kept."""
    if not _plain(head, hidden):
        return log_probs_of(head(hidden).float(), ids)
    if torch.is_grad_enabled():
        return _LogProbs.apply(hidden, head.weight, ids)
    parts = zip(hidden.split(ROWS), ids.split(ROWS), strict=True)
    return torch.cat([log_probs_of(linear(inputs, head.weight), token) for inputs, token in parts])


def log_probs_of(
    logits: Float[Tensor, "*batch vocabulary"], ids: Int[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Log-probability of each token, nats."""
    return -F.cross_entropy(logits.flatten(0, -2), ids.flatten(), reduction="none").view(ids.shape)


def next_token_kl(
    policy: Float[Tensor, "tokens vocabulary"],
    reference: Float[Tensor, "tokens vocabulary"],
    drawn: Int[Tensor, " tokens"],
) -> tuple[Float[Tensor, " tokens"], Float[Tensor, " tokens"]]:
    """KL(policy || reference) of the next token, and the log-ratio of the token that was drawn, nats, from logits.

    The KL summed over a sample's tokens and averaged over samples of the policy is an unbiased estimate of the
    KL between the two distributions over completions, with less variance than log-ratios (Rao-Blackwell).
    """
    log_ratio = policy.log_softmax(-1) - reference.log_softmax(-1)
    return (policy.softmax(-1) * log_ratio).sum(-1), log_ratio.gather(-1, drawn[:, None])[:, 0]


def _plain(head: nn.Module, hidden: Tensor) -> TypeGuard[nn.Linear]:
    """Whether `head` is a matrix and nothing else, in float32 on a CPU."""
    return (
        type(head) is nn.Linear
        and head.bias is None
        and usable(head.weight)
        and hidden.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )


class _LogProbs(torch.autograd.Function):
    """Log-softmax of `hidden @ weight.T` at `ids`. Its gradient by a logit is 1 (at `ids`) less the probability."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, ids: Tensor) -> Tensor:
        shares = hidden.new_empty(len(hidden), len(weight))  # probabilities, times `total` of their row
        total, found = hidden.new_empty(len(hidden), 1), hidden.new_empty(len(hidden), 1)
        for inputs, token, share, sums, out in zip(
            *(table.split(ROWS) for table in (hidden, ids, shares, total, found)), strict=True
        ):
            share.copy_(linear(inputs, weight))
            picked, top = share.gather(-1, token[:, None]), share.amax(-1, keepdim=True)
            torch.sum(share.sub_(top).exp_(), -1, keepdim=True, out=sums)
            torch.sub(picked - top, sums.log(), out=out)
        ctx.save_for_backward(hidden, weight, ids, shares, total)
        return found[:, 0]

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        hidden, weight, ids, shares, total = ctx.saved_tensors
        by_logit = shares.mul_(
            -slope[:, None] / total
        )  # in place: a second pass backward is refused by torch
        by_logit[torch.arange(len(ids)), ids] += slope
        by_hidden = linear(by_logit, weight.T) if ctx.needs_input_grad[0] else None
        by_weight = (hidden.T @ by_logit).T if ctx.needs_input_grad[1] else None
        return by_hidden, by_weight, None
