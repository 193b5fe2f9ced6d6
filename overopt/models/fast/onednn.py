"""Products with weights that stay as they are, without gradients, by oneDNN.

PyTorch multiplies float32 matrices by MKL on x86 and calls oneDNN, which it brings along, for bfloat16 alone. At the
shapes of small models oneDNN is a tenth faster, and half as fast again where a matrix is wide and its rows are few
(hidden states times vocabulary). A row of its product is the same however many rows there are.
"""

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from transformers import PreTrainedModel

WIDE = 256  # hidden size from which a whole forward pass gains; below, what oneDNN prepares for a new shape costs more


@functools.cache
def has_onednn() -> bool:
    """Whether this build of torch multiplies by oneDNN: those for Apple silicon do not bring its operations along."""
    operations = torch.ops.mkldnn
    return (
        torch.backends.mkldnn.is_available()
        and hasattr(operations, "_reorder_linear_weight")
        and hasattr(operations, "_linear_pointwise")
        and "binary" in operations._linear_pointwise.overloads()
    )


def usable(weight: Tensor) -> bool:
    """Whether oneDNN multiplies `weight` as fast as it can: float32 on a CPU, and no part of a wider matrix."""
    plain = type(weight) in (Tensor, torch.nn.Parameter)
    return (
        plain
        and (weight.is_contiguous() or weight.mT.is_contiguous())
        and weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and has_onednn()
    )


def linear(
    inputs: Float[Tensor, "*rows width"], weight: Float[Tensor, "out width"], bias: Tensor | None = None
) -> Float[Tensor, "*rows out"]:
    """`inputs @ weight.T + bias`, for a `usable` weight."""
    return torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")


class Product:
    """`inputs @ weight + bias` for many `inputs`: where oneDNN multiplies, the weight is laid out for it once."""

    def __init__(self, weight: Float[Tensor, "width out"], bias: Float[Tensor, " out"] | None = None) -> None:
        self._weight, self._bias = weight, bias
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.T) if usable(weight) else None

    def __call__(self, inputs: Float[Tensor, "rows width"]) -> Float[Tensor, "rows out"]:
        """The product."""
        if self._packed is not None:
            return linear(inputs, self._packed, self._bias)
        return inputs @ self._weight if self._bias is None else torch.addmm(self._bias, inputs, self._weight)

    def onto(
        self, sums: Float[Tensor, "rows out"], inputs: Float[Tensor, "rows width"]
    ) -> Float[Tensor, "rows out"]:
        """`sums` and the product, added up."""
        if self._packed is not None:
            return torch.ops.mkldnn._linear_pointwise.binary(inputs, sums, self._packed, self._bias, "add")
        return sums + self(inputs)


class _ByOneDNN(TorchFunctionMode):
    """Sends the two calls that layers of transformers multiply by to oneDNN; all else goes where it went."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if not kwargs and function is F.linear and usable(args[1]):
            return linear(*args)
        if not kwargs and function is torch.addmm and usable(args[2]):
            return linear(args[1], args[2].T, args[0])
        return function(*args, **(kwargs or {}))


def reading(model: PreTrainedModel) -> AbstractContextManager[object]:
    """Run forward passes of `model` inside with the faster products, where no gradient is kept and it is wide enough."""
    gains = not torch.is_grad_enabled() and model.config.hidden_size >= WIDE
    return _ByOneDNN() if gains and usable(model.get_input_embeddings().weight) else nullcontext()
