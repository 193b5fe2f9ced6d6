"""One token at a time from a decoder, with the keys and values of earlier tokens kept.

`sampling.sample` asks for logits and says which rows go on; how they are computed stands here, twice: for GPT-2
models with as few operations as there are, for every other architecture through transformers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F
from transformers import GPT2LMHeadModel, PreTrainedModel
from transformers.activations import ACT2FN

from overopt.models.fast.last_block import plain_gpt2
from overopt.models.fast.onednn import Product, reading
from overopt.models.fast.packing import rows_at_once

HIDDEN = -1e9  # attention score of what may not be seen


@runtime_checkable
class Decoder(Protocol):
    """Logits of the next token for rows that grow by one token a step."""

    def prompt(
        self, ids: Int[Tensor, "rows prompt"], mask: Bool[Tensor, "rows prompt"]
    ) -> Float[Tensor, "rows vocabulary"]:
        """Read prompts, padded on the left; `mask` is True on tokens."""

    def step(self, token: Int[Tensor, " rows"]) -> Float[Tensor, "rows vocabulary"]:
        """Read one more token a row."""

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Go on with these rows only, in this order; a row may stand there more than once."""


def decoder(model: PreTrainedModel, limit: int) -> Decoder:
    """The fastest decoder for `model` that reads at most `limit` tokens after the prompt."""
    if isinstance(model, GPT2LMHeadModel):
        config = model.config
        usual = config.scale_attn_weights and not config.scale_attn_by_inverse_layer_idx
        if usual and plain_gpt2(model.transformer):
            return GPT2Decoder(model, limit)
    return TransformersDecoder(model)


class TransformersDecoder:
    """Any causal language model of transformers, with its own cache."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model

    def prompt(
        self, ids: Int[Tensor, "rows prompt"], mask: Bool[Tensor, "rows prompt"]
    ) -> Float[Tensor, "rows vocabulary"]:
        """See `Decoder`."""
        self._mask = mask
        self._padded = not bool(mask[:, 0].all())
        return self._forward(ids, (mask.cumsum(-1) - 1).clamp_min(0), None)

    def step(self, token: Int[Tensor, " rows"]) -> Float[Tensor, "rows vocabulary"]:
        """See `Decoder`."""
        self._mask = F.pad(self._mask, (0, 1), value=True)
        return self._forward(token[:, None], self._mask.sum(-1, keepdim=True) - 1, self._cache)

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """See `Decoder`."""
        self._cache.batch_select_indices(rows)
        self._mask = self._mask[rows]

    def _forward(self, ids: Tensor, positions: Tensor, cache: object) -> Tensor:
        # without padding the mask is left out, which lets attention take its faster causal path
        mask = {"attention_mask": self._mask.long()} if self._padded else {}
        with reading(self._model):
            output = self._model(
                input_ids=ids,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
                **mask,
            )
        self._cache = output.past_key_values
        return output.logits[:, -1].float()


@dataclass(frozen=True)
class _Layer:
    """One block: weight and bias of its norms, and its products."""

    norms: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
    attention: Product
    projection: Product
    up: Product
    down: Product


class GPT2Decoder:
    """A GPT-2 model whose cache is one block of memory a layer, written in place."""

    def __init__(self, model: GPT2LMHeadModel, limit: int) -> None:
        body = model.transformer
        self._limit = limit
        self._heads = model.config.n_head
        self._epsilon = model.config.layer_norm_epsilon
        self._activation = ACT2FN[model.config.activation_function]
        self._tokens, self._positions = body.wte.weight, body.wpe.weight
        self._last_norm = (body.ln_f.weight, body.ln_f.bias)
        self._head = Product(model.lm_head.weight.T)
        self._layers = [
            _Layer(
                ((block.ln_1.weight, block.ln_1.bias), (block.ln_2.weight, block.ln_2.bias)),
                *(
                    Product(part.weight, part.bias)
                    for part in (block.attn.c_attn, block.attn.c_proj, block.mlp.c_fc, block.mlp.c_proj)
                ),
            )
            for block in body.h
        ]

    def prompt(
        self, ids: Int[Tensor, "rows prompt"], mask: Bool[Tensor, "rows prompt"]
    ) -> Float[Tensor, "rows vocabulary"]:
        """See `Decoder`."""
        rows, width = ids.shape
        size = self._tokens.shape[1] // self._heads
        columns = width + self._limit
        shape = (rows, self._heads, columns, size)
        self._cache = [(self._tokens.new_empty(shape), self._tokens.new_empty(shape)) for _ in self._layers]
        self._column = 0
        self._length = mask.sum(-1)  # tokens read, padding not counted
        # added to attention scores: a large number rather than infinity, since a padding column sees nothing at all
        padding = self._tokens.new_zeros(mask.shape).masked_fill_(~mask, HIDDEN)
        self._bias = F.pad(padding, (0, self._limit))[:, None, None]  # [rows, 1, 1, columns]
        bias = self._bias[..., :width] + torch.full((width, width), HIDDEN, device=ids.device).triu(1)
        positions = (mask.cumsum(-1) - 1).clamp_min(0)
        parts = []
        for part in torch.arange(rows).split(rows_at_once(ids.device, rows)):
            here = slice(int(part[0]), int(part[-1]) + 1)
            cache = [(keys[here], values[here]) for keys, values in self._cache]  # views, written in place
            parts.append(self._forward(ids[here], positions[here], bias[here], cache))
        self._column = width
        return torch.cat(parts)

    def step(self, token: Int[Tensor, " rows"]) -> Float[Tensor, "rows vocabulary"]:
        """See `Decoder`."""
        positions, bias = self._length[:, None], self._bias[..., : self._column + 1]
        logits = self._forward(token[:, None], positions, bias, self._cache)
        self._length = self._length + 1
        self._column += 1
        return logits

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """See `Decoder`."""
        self._cache = [tuple(part[rows] for part in pair) for pair in self._cache]
        self._length, self._bias = self._length[rows], self._bias[rows]

    def _forward(
        self, ids: Tensor, positions: Tensor, bias: Tensor, cache: Sequence[tuple[Tensor, ...]]
    ) -> Tensor:
        rows, count = ids.shape
        start, end = self._column, self._column + count
        hidden = (F.embedding(ids, self._tokens) + F.embedding(positions, self._positions)).flatten(0, 1)
        width = hidden.shape[1]
        for layer, (keys, values) in zip(self._layers, cache, strict=True):
            normed = F.layer_norm(hidden, (width,), *layer.norms[0], self._epsilon)
            query, key, value = (
                layer.attention(normed).view(rows, count, 3, self._heads, -1).permute(2, 0, 3, 1, 4)
            )
            keys[:, :, start:end], values[:, :, start:end] = key, value
            if layer is self._layers[-1]:  # only the last column is read off
                query, bias = query[:, :, -1:], bias[..., -1:, :]
                hidden = hidden.view(rows, count, width)[:, -1]
            scores = query @ keys[:, :, :end].transpose(-1, -2)
            shares = scores.mul_(query.shape[-1] ** -0.5).add_(bias).softmax(-1)
            mixed = (shares @ values[:, :, :end]).transpose(1, 2).reshape(-1, width)
            hidden = layer.projection.onto(hidden, mixed)
            normed = F.layer_norm(hidden, (width,), *layer.norms[1], self._epsilon)
            hidden = layer.down.onto(hidden, self._activation(layer.up(normed)))
        return self._head(F.layer_norm(hidden, (width,), *self._last_norm, self._epsilon)).float()
