"""Faster training where the processor multiplies bfloat16; what is measured stays in float32.

Matrix products in bfloat16 are two to four times as fast on processors that have them. Attention stays in float32:
its bfloat16 backward pass on a CPU is five times slower. Scores, log-probabilities and KL are never computed this
way, so a result does not depend on how rows were batched.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

_ATTENTION = "sdpa_in_float32"


def _sdpa_in_float32(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    with torch.autocast(query.device.type, enabled=False):
        return sdpa_attention_forward(module, query.float(), key.float(), value.float(), mask, **options)


AttentionInterface.register(_ATTENTION, _sdpa_in_float32)


def has_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 are fast on `device`."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextmanager
def mixed_precision(model: PreTrainedModel) -> Iterator[None]:
    """Run the forward passes inside with matrix products in bfloat16, if the device of `model` has them."""
    if not has_bfloat16(model.device):
        yield
        return
    before = model.config._attn_implementation
    model.config._attn_implementation = _ATTENTION
    try:
        with torch.autocast(model.device.type, torch.bfloat16):
            yield
    finally:
        model.config._attn_implementation = before
