"""Hidden states after the last block, of the tokens that are asked for alone.

A reward is read off the last token of a text, log-probabilities off its completion. In the last block of a decoder every
token gives keys and values; queries, and all that follows attention, ten twelfths of the block's weights, are needed where
something is read off. Models of one or two blocks save a third to four fifths of a pass. For GPT-2 models; others are read
in full.
"""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import GPT2Model, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from overopt.models.fast.packing import SHORT, Layout, hidden_states, packed_inputs, packed_reading


def states_of(
    model: PreTrainedModel,
    ids: Int[Tensor, "rows columns"],
    layout: Layout,
    wanted: Bool[Tensor, "rows columns"],
) -> Float[Tensor, "wanted width"]:
    """The last layer of a causal model at the `wanted` cells, row after row. Gradients are kept."""
    body: Any = model.base_model
    one_a_row = bool((wanted.sum(1) == 1).all())
    # the fused attention of a whole pass is the better one for many queries in long rows
    if not _can_be_cut(body) or not (one_a_row or wanted.shape[1] <= SHORT):
        return hidden_states(model, ids, layout)[layout.tokens(wanted)]
    tokens, positions = packed_inputs(ids, layout)
    with packed_reading(model):
        hidden = body.wte(tokens) + body.wpe(positions)
        for block in body.h[:-1]:
            hidden = block(hidden, layout=layout)
        return body.ln_f(_last_block(body.h[-1], hidden[0], layout, wanted, one_a_row))


def plain_gpt2(body: Any) -> bool:
    """Whether `body` is a GPT-2 decoder without adapters and rare kinds of attention."""
    if not isinstance(body, GPT2Model):
        return False
    products = (
        part
        for block in body.h
        for part in (block.attn.c_attn, block.attn.c_proj, block.mlp.c_fc, block.mlp.c_proj)
    )
    rare = body.config.add_cross_attention or body.config.reorder_and_upcast_attn
    return not rare and all(type(part) is Conv1D for part in products)


def _can_be_cut(body: Any) -> bool:
    """Whether the last block may compute some tokens alone: dropout in training draws for all of them."""
    if not plain_gpt2(body):
        return False
    config = body.config
    return not (body.training and (config.resid_pdrop or config.embd_pdrop or config.attn_pdrop))


def _last_block(
    block: Any, hidden: Float[Tensor, "packed width"], layout: Layout, wanted: Tensor, one_a_row: bool
) -> Float[Tensor, "wanted width"]:
    """What the block makes of the wanted tokens; `hidden` may end in a few spare ones."""
    chosen, attention, width = layout.tokens(wanted), block.attn, hidden.shape[1]
    weight, bias = attention.c_attn.weight, attention.c_attn.bias
    normed = block.ln_1(hidden)
    query = torch.addmm(bias[:width], normed[chosen], weight[:, :width])
    both = torch.addmm(bias[width:], normed, weight[:, width:])[: len(layout.where)]
    with torch.autocast(hidden.device.type, enabled=False):  # as in packed attention
        parts = (query, *both.chunk(2, dim=-1))
        query, key, value = (part.float().unflatten(-1, (attention.num_heads, -1)) for part in parts)
        attend = _attention_of_one if one_a_row else _attention
        mixed = attend(query * attention.scaling, layout.spread(key), layout.spread(value), wanted)
    if not torch.is_autocast_enabled(hidden.device.type):
        mixed = mixed.to(hidden.dtype)  # of a model that is kept in bfloat16
    hidden = hidden[chosen] + attention.c_proj(mixed)
    return hidden + block.mlp(block.ln_2(hidden))


def _attention_of_one(
    query: Float[Tensor, "rows heads size"],
    key: Float[Tensor, "rows columns heads size"],
    value: Float[Tensor, "rows columns heads size"],
    wanted: Bool[Tensor, "rows columns"],
) -> Float[Tensor, "rows width"]:
    """What the one wanted token of each row takes from the columns up to its own."""
    unseen = torch.arange(wanted.shape[1], device=wanted.device) > wanted.nonzero()[:, 1:]
    # sums over a table: products of single vectors are several times slower
    scores = (query[:, None] * key).sum(-1)  # [rows, columns, heads]
    shares = scores.masked_fill(unseen[..., None], -math.inf).softmax(1)
    return (shares[..., None] * value).sum(1).flatten(1)


def _attention(
    query: Float[Tensor, "wanted heads size"],
    key: Float[Tensor, "rows columns heads size"],
    value: Float[Tensor, "rows columns heads size"],
    wanted: Bool[Tensor, "rows columns"],
) -> Float[Tensor, "wanted width"]:
    """What each wanted token takes from the columns of its row up to its own."""
    rows = Layout.of(wanted.sum(1))  # of the wanted tokens alone
    own = rows.spread(wanted.nonzero()[:, 1:])  # column of each, [rows, most wanted, 1]
    unseen = torch.arange(wanted.shape[1], device=wanted.device) > own  # [rows, most wanted, columns]
    scores = rows.spread(query).transpose(1, 2) @ key.permute(0, 2, 3, 1)
    shares = scores.masked_fill(unseen[:, None], -math.inf).softmax(-1)  # [rows, heads, most wanted, columns]
    return rows.pack((shares @ value.transpose(1, 2)).transpose(1, 2)).flatten(1)
