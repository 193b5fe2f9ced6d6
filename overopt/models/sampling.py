"""Drawing completions at temperature 1, the same whatever rows share a batch and however many processes draw."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedModel

from overopt.models.fast.decoding import Decoder, decoder
from overopt.models.fast.drawing import draw_tokens
from overopt.models.samples import Prompts, Samples, concatenate
from overopt.util import processes


@torch.inference_mode()
def sample(
    model: PreTrainedModel,
    prompts: Prompts,
    uniforms: Float[Tensor, "batch completion"],
    *,
    eos: int | list[int],
    pad: int,
) -> tuple[Samples, Float[Tensor, "batch completion"]]:
    """One completion a prompt at temperature 1, at most `uniforms.shape[1]` tokens, up to the first that is in `eos`.

    Beside the completions, the log-probability of each of their tokens, nats; 0 on padding.

    Token t of row i is the inverse of the model's cumulative distribution at `uniforms[i, t]`: the draw of a
    row does not depend on which rows share its batch.
    """
    device = prompts.ids.device
    rows, limit = uniforms.shape
    uniforms = uniforms.to(device)
    completion = torch.full((rows, limit), pad, device=device)
    ends = torch.tensor(eos, device=device).reshape(-1)
    log_probs = torch.zeros(rows, limit, device=device)
    alive = torch.arange(rows, device=device)  # rows that have not ended, by position in the batch
    reader = decoder(model, limit)
    logits = _read_prompts(reader, prompts)
    for t in range(limit):
        probabilities = logits.softmax(-1)
        token = draw_tokens(probabilities, uniforms[alive, t])
        log_probs[alive, t] = probabilities.gather(-1, token[:, None])[:, 0].log()
        completion[alive, t] = token
        keep = ~torch.isin(token, ends)
        if t + 1 == limit or not bool(keep.any()):
            break
        # Ended rows leave the batch once they are an eighth of it: less often costs wasted work, more often copies.
        if keep.sum() < 0.875 * len(keep):
            reader.keep(keep.nonzero()[:, 0])
            alive, token = alive[keep], token[keep]
        logits = reader.step(token)
    at_end = torch.isin(completion, ends).long()
    inside = (at_end.cumsum(-1) - at_end) == 0  # up to and including the first EOS
    return Samples(prompts, completion.masked_fill(~inside, pad), inside), log_probs * inside


def _read_prompts(reader: Decoder, prompts: Prompts) -> Float[Tensor, "batch vocabulary"]:
    """Logits after each prompt; a prompt that several rows share is read once."""
    distinct, which = prompts.distinct()
    if len(distinct) == len(prompts):
        return reader.prompt(prompts.ids, prompts.mask)
    logits = reader.prompt(distinct.ids, distinct.mask)
    reader.keep(which)
    return logits[which]


def sample_many(
    model: PreTrainedModel,
    prompts: Prompts,
    per_prompt: int,
    completion_tokens: int,
    *,
    generator: torch.Generator,
    batch: int = 256,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Samples:
    """`per_prompt` completions of each prompt, on the CPU, those of one prompt in a row.

    All random numbers are drawn before the first batch: the result does not depend on `batch`.
    """
    rows = torch.arange(len(prompts)).repeat_interleave(per_prompt)
    uniforms = torch.rand(len(rows), completion_tokens, generator=generator)
    parts = []
    for chosen in processes.dealt(torch.arange(len(rows))).split(batch):
        part = prompts[rows[chosen]].to(model.device)
        eos, pad = model.config.eos_token_id, model.config.pad_token_id
        parts.append(sample(model, part, uniforms[chosen], eos=eos, pad=pad)[0].to("cpu"))
        progress(int(chosen[-1]) + 1, len(rows))
    return gathered_samples(concatenate(parts), prompts[rows])


def gathered_samples(part: Samples, prompts: Prompts) -> Samples:
    """Completions of `prompts` that were dealt to several processes, all of them: see `overopt.util.processes`."""
    if processes.size() == 1:
        return part
    ids, mask = (processes.gathered(table, len(prompts)) for table in (part.ids, part.mask))
    return Samples(prompts, ids, mask)
