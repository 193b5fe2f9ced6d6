"""Forward passes over tokens alone: rows of different lengths stand end to end, without padding between them.

Padding is a third of a batch of completions. Everything in a decoder but attention treats each token by itself, so
only attention sees rows: it gets them spread out, padded on the right, and gives them back end to end. So what many
rows begin with, a prompt, is read once. This stands behind transformers' own attention interface and serves every
architecture that uses it.

Attention is computed in float32 whatever the precision around it: on a CPU its bfloat16 backward pass is five times
slower.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from overopt.models.fast.onednn import reading

CPU_ROWS = (
    64  # what a layer makes of more rows than that falls out of the processor's cache: a quarter slower
)
SHORT = 64  # columns up to which products and a softmax beat the fused attention kernel, by up to three times
SHAPES = 128  # a CPU compiles bfloat16 products for every new number of tokens: it sees multiples of this one
_ATTENTION = "overopt_packed"


@dataclass(frozen=True)
class Layout:
    """Which cells of a table of rows hold tokens: rows start in column 0; cells are counted row after row.

    where: the cell that each token is taken from; source: the token of each cell, where several cells may have the same
    one (of padding, any), None where none have.
    """

    inside: Bool[Tensor, "rows columns"]
    where: Int[Tensor, " tokens"]
    source: Int[Tensor, " cells"] | None = None

    @staticmethod
    def of(lengths: Int[Tensor, " rows"]) -> "Layout":
        """Rows of these lengths."""
        columns = torch.arange(int(lengths.max()), device=lengths.device)
        inside = columns < lengths[:, None]
        return Layout(inside, inside.flatten().nonzero()[:, 0])

    @staticmethod
    def sharing(ids: Int[Tensor, "rows columns"], lengths: Int[Tensor, " rows"]) -> "Layout":
        """Rows of these tokens and lengths; what a row begins with as the row before it does is kept once."""
        row = torch.arange(len(ids), device=ids.device)[:, None]
        columns = torch.arange(ids.shape[1], device=ids.device)
        inside = columns < lengths[:, None]
        common = columns < F.pad(common_starts(ids, lengths), (1, 0))[:, None]
        # the row that each cell's token is taken from
        holder = row.expand_as(ids).masked_fill(common, 0).cummax(0).values
        where = (inside & (holder == row)).flatten().nonzero()[:, 0]
        token = where.new_zeros(inside.numel())
        token[where] = torch.arange(len(where), device=ids.device)
        return Layout(inside, where, token[holder * ids.shape[1] + columns].flatten())

    @property
    def last(self) -> Bool[Tensor, "rows columns"]:
        """The cell of each row that holds its last token."""
        return self.inside & ~F.pad(self.inside[:, 1:], (0, 1))

    def tokens(self, cells: Bool[Tensor, "rows columns"]) -> Int[Tensor, " cells"]:
        """The tokens in these cells, which hold some, row after row."""
        source = self.inside.flatten().cumsum(0) - 1 if self.source is None else self.source
        return source[cells.flatten()]

    def pack(self, table: Tensor) -> Tensor:
        """[rows, columns, ...] to [tokens, ...]."""
        return table.flatten(0, 1).index_select(0, self.where)

    def spread(self, tokens: Tensor) -> Tensor:
        """[tokens, ...] to [rows, columns, ...]; where there is no token 0, or anything if tokens are shared."""
        if self.source is not None:
            return tokens.index_select(0, self.source).unflatten(0, self.inside.shape)
        cells = tokens.new_zeros(self.inside.numel(), *tokens.shape[1:])
        return cells.index_copy(0, self.where, tokens).unflatten(0, self.inside.shape)


def common_starts(ids: Int[Tensor, "rows columns"], lengths: Int[Tensor, " rows"]) -> Int[Tensor, " later"]:
    """How many tokens each row but the first begins with as the row before it does."""
    differs = F.pad(ids[1:] != ids[:-1], (0, 1), value=True)
    return differs.byte().argmax(1).minimum(lengths[1:]).minimum(lengths[:-1])


def _packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: None,
    *,
    layout: Layout,
    **options: Any,
) -> tuple[Tensor, None]:
    tokens, packed = len(layout.where), query.shape[2]  # of which the last few may be spare
    with torch.autocast(query.device.type, enabled=False):
        # [1, heads, packed, size] to [rows, heads, columns, size]
        ends = [part[0, :, :tokens].transpose(0, 1).float() for part in (query, key, value)]
        rows = [layout.spread(part).transpose(1, 2) for part in ends]
        if layout.inside.shape[1] <= SHORT and query.shape == key.shape:
            mixed = _plain_attention(
                rows[0], rows[1], rows[2], options.get("scaling") or query.shape[-1] ** -0.5
            )
        else:
            mixed, _ = sdpa_attention_forward(module, *rows, None, **options)
        mixed = layout.pack(mixed)  # [tokens, heads, size]
    if not torch.is_autocast_enabled(query.device.type):
        mixed = mixed.to(query.dtype)  # of a model that is kept in bfloat16
    return F.pad(mixed, (0, 0, 0, 0, 0, packed - tokens))[None], None


def _plain_attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """[rows, heads, columns, size] to [rows, columns, heads, size]."""
    columns = query.shape[2]
    future = torch.full((columns, columns), -math.inf, device=query.device).triu(1)
    shares = torch.add(future, query @ key.transpose(-1, -2), alpha=scale).softmax(-1)
    return (shares @ value).transpose(1, 2)


AttentionInterface.register(_ATTENTION, _packed_attention)


def hidden_states(
    model: PreTrainedModel, ids: Int[Tensor, "rows columns"], layout: Layout
) -> Float[Tensor, "tokens width"]:
    """The last layer of a causal model at every token, row after row. Gradients are kept."""
    tokens, positions = packed_inputs(ids, layout)
    with packed_reading(model):
        output = model.base_model(input_ids=tokens, position_ids=positions, use_cache=False, layout=layout)
    return output.last_hidden_state[0, : len(layout.where)]


def packed_inputs(
    ids: Int[Tensor, "rows columns"], layout: Layout
) -> tuple[Int[Tensor, "one packed"], Int[Tensor, "one packed"]]:
    """Tokens end to end and their positions, as a batch of one row; the last few tokens may be spare."""
    compiled = ids.device.type == "cpu" and torch.is_autocast_enabled("cpu")
    spare = -len(layout.where) % SHAPES if compiled else 0
    positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    tokens, positions = (F.pad(layout.pack(table), (0, spare))[None] for table in (ids, positions))
    return tokens, positions


@contextmanager
def packed_reading(model: PreTrainedModel) -> Iterator[None]:
    """In this block attention knows rows that stand end to end, by the keyword `layout` of a forward pass."""
    config = model.config
    before, config._attn_implementation = config._attn_implementation, _ATTENTION
    try:
        with reading(model):
            yield
    finally:
        config._attn_implementation = before


def rows_at_once(device: torch.device, batch: int) -> int:
    """How many rows go through a forward pass without gradients: `batch`, but on a CPU always what is fastest there.

    So the last bits of a score hang on no batch size there, and neither does PPO, which follows them.
    """
    return CPU_ROWS if device.type == "cpu" else batch
