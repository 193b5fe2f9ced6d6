"""Faster training where the processor multiplies bfloat16; what is measured stays in float32.

Matrix products in bfloat16 are two to four times as fast on processors that have them. Scores, log-probabilities and
KL are never computed this way, so a result does not depend on how rows were batched. A study of large models may keep those
that only read in bfloat16, to halve their memory; it is then part of what the study says.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from transformers import PreTrainedModel


def has_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are fast on `device`."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # builds of torch without oneDNN, as for Apple silicon, have nobody to ask
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return device.type == "cpu" and supported is not None and bool(supported())


def frozen_dtype(frozen: Literal["float32", "bfloat16"]) -> torch.dtype:
    """The precision of models that only read, as a study names it."""
    return torch.bfloat16 if frozen == "bfloat16" else torch.float32


def mixed_precision(model: PreTrainedModel, *, least_width: int = 0) -> AbstractContextManager[object]:
    """Run the forward passes inside with matrix products in bfloat16, if the device has them and `model` is wide enough."""
    if has_bfloat16(model.device) and model.config.hidden_size >= least_width:
        return torch.autocast(model.device.type, torch.bfloat16)
    return nullcontext()
