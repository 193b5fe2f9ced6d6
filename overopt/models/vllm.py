"""Completions drawn by vLLM, for policies that no trainer here holds: many times faster on a GPU.

It draws the same distribution with random numbers of its own, so it is part of what a study says, not of how it is
run. Only its tokens are taken: log-probabilities and KL are always computed by `overopt.models.log_probs`.
"""

import gc
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from overopt.models.samples import Prompts, Samples
from overopt.util.errors import UserError
from overopt.util.seeds import derive


@runtime_checkable
class Engine(Protocol):
    """The part of `vllm.LLM` that is used."""

    def generate(
        self, prompts: Sequence[Any], sampling_params: Sequence[Any], use_tqdm: bool
    ) -> Sequence[Any]:
        """For each prompt, in order, an object with `outputs`; each of those has `token_ids` and `finish_reason`."""


def sample_with_vllm(
    engine: Engine,
    prompts: Prompts,
    per_prompt: int,
    completion_tokens: int,
    *,
    seed: int,
    eos: int | list[int],
    pad: int,
) -> Samples:
    """`per_prompt` completions of each prompt at temperature 1, those of one prompt in a row: see `sample_many`.

    A completion ends with the first token that is in `eos`.

    Raises:
        UserError: if the engine gives another number of completions than was asked for, or too long ones.
    """
    asked = [
        {"prompt_token_ids": row[inside].tolist()}
        for row, inside in zip(prompts.ids, prompts.mask, strict=True)
    ]
    ends = [eos] if isinstance(eos, int) else eos
    parameters = [
        _parameters(
            n=per_prompt, max_tokens=completion_tokens, seed=derive(seed, "vllm", k) % 2**31, ends=ends
        )
        for k in range(len(asked))
    ]
    answered = engine.generate(asked, parameters, use_tqdm=False)
    rows = [_tokens(completion, ends) for answer in answered for completion in answer.outputs]
    if len(rows) != per_prompt * len(prompts):
        raise UserError(
            f"vLLM: found {len(rows)} completions, expected {per_prompt} of each of {len(prompts)} prompts"
        )
    longest = max(map(len, rows))
    if longest > completion_tokens or min(map(len, rows)) < 1:
        raise UserError(
            f"vLLM: found completions of up to {longest} tokens, expected 1 to {completion_tokens}"
        )
    ids = torch.full((len(rows), completion_tokens), pad)
    for k, row in enumerate(rows):
        ids[k, : len(row)] = torch.tensor(row)
    mask = torch.arange(completion_tokens) < torch.tensor(list(map(len, rows)))[:, None]
    return Samples(prompts[torch.arange(len(prompts)).repeat_interleave(per_prompt)], ids, mask)


def _tokens(completion: Any, ends: list[int]) -> list[int]:
    """Its tokens, with the one that ended it, which an engine may leave out, and then says unless it is the usual one."""
    row = list(completion.token_ids)
    if completion.finish_reason != "stop" or (row and row[-1] in ends):
        return row
    said = getattr(completion, "stop_reason", None)
    return [*row, said if isinstance(said, int) else ends[0]]


def _parameters(*, n: int, max_tokens: int, seed: int, ends: list[int]) -> Any:
    """The whole distribution at temperature 1: nothing cut off, nothing penalised."""
    from vllm import SamplingParams

    return SamplingParams(
        n=n,
        temperature=1.0,
        top_p=1.0,
        top_k=-1,
        min_p=0.0,
        repetition_penalty=1.0,
        max_tokens=max_tokens,
        seed=seed,
        stop_token_ids=ends,
        detokenize=False,
    )


def draw_and_release(
    name: str,
    prompts: Prompts,
    per_prompt: int,
    completion_tokens: int,
    *,
    seed: int,
    eos: int | list[int],
    pad: int,
) -> Samples:
    """As `sample_with_vllm`, by an engine of its own whose memory is free afterwards: vLLM takes most of a GPU.

    Raises:
        UserError: as `load_engine` and `sample_with_vllm`.
    """
    engine = load_engine(name)
    try:
        return sample_with_vllm(engine, prompts, per_prompt, completion_tokens, seed=seed, eos=eos, pad=pad)
    finally:
        del engine  # its process on the GPU ends with it
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def installed_version() -> str:
    """The version of vLLM.

    Raises:
        UserError: if it is not installed.
    """
    return str(_vllm().__version__)


def load_engine(model: Path | str) -> Engine:
    """vLLM with the model in a folder, or of the hub by its id, in float32 as everywhere here.

    Raises:
        UserError: if vLLM is not installed.
    """
    engine: Engine = _vllm().LLM(model=str(model), dtype="float32", generation_config="vllm")
    return engine


def _vllm() -> Any:
    """The package, which is large and optional.

    Raises:
        UserError: if it is not installed.
    """
    try:
        return importlib.import_module("vllm")
    except ImportError:
        raise UserError(
            "sampler: found vllm asked for but not installed, expected `pip install overopt[vllm]` "
            "(it brings a torch of its own: use another environment)"
        ) from None
