"""What a model says of the next token: log-probabilities and KL, from hidden states and the head over the vocabulary.

Tables of [tokens, vocabulary] are the widest there are: as few are made as can be, and with a gradient only one is kept.
"""

from typing import Any, TypeGuard

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from overopt.models.fast.onednn import linear, usable

ROWS = 64  # tokens whose logits stay in the processor's cache while they are turned into probabilities


def token_logits(
    head: nn.Module, hidden: Float[Tensor, "tokens width"]
) -> Float[Tensor, "tokens vocabulary"]:
    """Logits of the next token after each hidden state, without gradients."""
    if _plain(head) and hidden.dtype == torch.float32:
        return linear(hidden, head.weight)
    return head(hidden).float()


def log_probs_after(
    head: nn.Module, hidden: Float[Tensor, "tokens width"], ids: Int[Tensor, " tokens"]
) -> Float[Tensor, " tokens"]:
    """Log-probability of each token after its hidden state, nats. Gradients are kept."""
    mixed = torch.is_autocast_enabled("cpu")
    if not (_plain(head) and (mixed or hidden.dtype == torch.float32)):
        return log_probs_of(head(hidden).float(), ids)
    if torch.is_grad_enabled():
        return _LogProbs.apply(hidden, head.weight, ids, torch.bfloat16 if mixed else torch.float32)
    parts = zip(hidden.split(ROWS), ids.split(ROWS), strict=True)
    return torch.cat([log_probs_of(token_logits(head, inputs), token) for inputs, token in parts])


def log_probs_of(
    logits: Float[Tensor, "*batch vocabulary"], ids: Int[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Log-probability of each token, nats."""
    return -F.cross_entropy(logits.flatten(0, -2), ids.flatten(), reduction="none").view(ids.shape)


def next_token_kl(
    policy: tuple[nn.Module, Float[Tensor, "tokens width"]],
    reference: tuple[nn.Module, Float[Tensor, "tokens other"]],
    drawn: Int[Tensor, " tokens"],
) -> tuple[Float[Tensor, " tokens"], Float[Tensor, " tokens"]]:
    """KL(policy || reference) of the next token, and the log-ratio of the token that was drawn, nats.

    Of policy and reference, head and hidden states. The KL summed over a sample's tokens and averaged over samples of the
    policy is an unbiased estimate of the KL between the two distributions over completions, with less variance than
    log-ratios (Rao-Blackwell).
    """
    kls, log_ratios = [], []
    for hidden, other, token in zip(
        policy[1].split(ROWS), reference[1].split(ROWS), drawn.split(ROWS), strict=True
    ):
        log_probs = token_logits(policy[0], hidden).log_softmax(-1)
        log_ratio = log_probs - token_logits(reference[0], other).log_softmax(-1)
        kls.append((log_probs.exp() * log_ratio).sum(-1))
        log_ratios.append(log_ratio.gather(-1, token[:, None])[:, 0])
    return torch.cat(kls), torch.cat(log_ratios)


def _plain(head: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether `head` is a matrix and nothing else, in float32 on a CPU."""
    return type(head) is nn.Linear and head.bias is None and usable(head.weight)


class _LogProbs(torch.autograd.Function):
    """Log-softmax of `hidden @ weight.T` at `ids`. Its gradient by a logit is 1 (at `ids`) less the probability.

    precision: of the products, and of the probabilities kept for those backward.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, ids: Tensor, precision: torch.dtype) -> Tensor:
        kept = hidden.new_empty(len(hidden), len(weight), dtype=precision)  # probabilities
        found = torch.empty(len(hidden), 1)
        inputs, matrix = hidden.to(precision), weight.to(precision)
        for part, token, share, out in zip(
            *(table.split(ROWS) for table in (inputs, ids, kept, found)), strict=True
        ):
            logits = linear(part, matrix).float()
            probabilities = logits.softmax(-1)
            # both parts are small where a token is nearly sure, whatever the size of the logits
            above = logits.gather(-1, token[:, None]) - logits.amax(-1, keepdim=True)
            torch.add(above, probabilities.amax(-1, keepdim=True).log(), out=out)
            share.copy_(probabilities)
        ctx.save_for_backward(hidden, weight, ids, kept, found)
        return found[:, 0]

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, ids, kept, found = ctx.saved_tensors
        # in place: a second pass backward is refused by torch
        by_logit = kept.mul_(-slope[:, None].to(kept.dtype))
        by_logit[torch.arange(len(ids)), ids] = (-slope * found[:, 0].expm1()).to(kept.dtype)
        by_hidden = by_weight = None
        if ctx.needs_input_grad[0]:
            matrix = weight.to(kept.dtype)
            by_hidden = linear(by_logit, matrix.T) if kept.dtype == torch.float32 else by_logit @ matrix
            by_hidden = by_hidden.to(hidden.dtype)
        if ctx.needs_input_grad[1]:
            by_weight = (hidden.to(kept.dtype).T @ by_logit).T.to(weight.dtype)
        return by_hidden, by_weight, None, None
