"""Rows end to end give what padded rows give, for every architecture, and gradients too."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    Qwen2Config,
)

from overopt.models.fast.packing import CPU_ROWS, Layout, common_starts, hidden_states, rows_at_once

LENGTHS = torch.tensor([9, 3, 5, 1, 7])
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}
CONFIGS = {
    "GPT-2": GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=2),
    "Llama": LlamaConfig(vocab_size=40, num_key_value_heads=2, **SMALL),
    "GPT-NeoX": GPTNeoXConfig(vocab_size=40, **SMALL),
    "Qwen2": Qwen2Config(vocab_size=40, num_key_value_heads=2, **SMALL),
}


@pytest.fixture
def ids():
    return torch.randint(3, 40, (5, 9), generator=torch.Generator().manual_seed(0))


def test_pack_and_spread_are_inverse():
    layout = Layout.of(LENGTHS)
    table = torch.arange(5 * 9.0).view(5, 9)
    assert layout.pack(table).tolist() == [9 * row + k for row, n in enumerate(LENGTHS) for k in range(n)]
    assert torch.equal(layout.spread(layout.pack(table)), table * layout.inside)
    deep = torch.rand(int(LENGTHS.sum()), 2, 3)
    assert torch.equal(layout.pack(layout.spread(deep)), deep)


def begun_alike(columns):
    """Rows of which the third begins as the second, two tokens, and the fifth as the fourth, which is shorter."""
    draw = torch.Generator().manual_seed(0)
    ids, lengths = torch.randint(3, 40, (5, columns), generator=draw), LENGTHS * columns // 9
    ids[2, :2], ids[4, : lengths[3]] = ids[1, :2], ids[3, : lengths[3]]
    ids[:, 2] = torch.arange(5)
    return ids, lengths


def test_what_rows_begin_with_is_kept_once():
    ids, lengths = begun_alike(9)
    assert common_starts(ids, lengths).tolist() == [0, 2, 0, 1]
    layout = Layout.sharing(ids, lengths)
    assert len(layout.where) == lengths.sum() - 3
    tokens = layout.pack(ids)
    assert torch.equal(layout.spread(tokens)[layout.inside], ids[layout.inside])
    assert tokens[layout.tokens(layout.last)].tolist() == [
        ids[k, n - 1].item() for k, n in enumerate(lengths)
    ]
    same = torch.ones(4, 3, dtype=torch.int64)  # one row four times over
    alike = Layout.sharing(same, torch.tensor([3, 3, 2, 3]))
    assert alike.tokens(alike.last).tolist() == [2, 2, 1, 3]


@pytest.mark.parametrize("columns", [9, 81])  # both kinds of attention
@pytest.mark.parametrize("name", CONFIGS)
def test_sharing_changes_nothing(name, columns, sharpen):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = sharpen(AutoModelForCausalLM.from_config(CONFIGS[name]))
    ids, lengths = begun_alike(columns)
    layouts = Layout.of(lengths), Layout.sharing(ids, lengths)
    ends = [hidden_states(model, ids, layout)[layout.tokens(layout.last)] for layout in layouts]
    torch.testing.assert_close(ends[0], ends[1], atol=1e-5, rtol=1e-5)
    weight = next(model.base_model.parameters())
    slopes = [torch.autograd.grad(end.square().sum(), weight)[0] for end in ends]
    torch.testing.assert_close(slopes[0], slopes[1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_equals_the_padded_forward_pass(name, ids, sharpen):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = sharpen(AutoModelForCausalLM.from_config(CONFIGS[name]))
    layout, before = Layout.of(LENGTHS), model.config._attn_implementation
    packed = hidden_states(model, ids, layout)
    padded = model.base_model(input_ids=ids, attention_mask=layout.inside.long()).last_hidden_state
    torch.testing.assert_close(packed, padded[layout.inside], atol=1e-5, rtol=1e-5)
    alone = model.base_model(input_ids=ids[4:, :7]).last_hidden_state[0]
    torch.testing.assert_close(packed[-7:], alone, atol=1e-5, rtol=1e-5)
    assert model.config._attn_implementation == before


def test_gradients_are_those_of_the_padded_pass(language_model, ids):
    layout, weight = Layout.of(LENGTHS), language_model.transformer.h[0].attn.c_attn.weight
    target = torch.randn(int(LENGTHS.sum()), 16, generator=torch.Generator().manual_seed(0))
    packed = hidden_states(language_model, ids, layout)
    padded = language_model.base_model(input_ids=ids, attention_mask=layout.inside.long()).last_hidden_state
    slopes = [
        torch.autograd.grad((hidden * target).sum(), weight)[0] for hidden in (packed, padded[layout.inside])
    ]
    torch.testing.assert_close(slopes[0], slopes[1], atol=1e-4, rtol=1e-4)


def test_the_attention_of_the_model_is_put_back_after_an_error(language_model, ids):
    before = language_model.config._attn_implementation
    with pytest.raises(IndexError):
        hidden_states(language_model, ids + 10**6, Layout.of(LENGTHS))
    assert language_model.config._attn_implementation == before


def test_a_cpu_reads_as_many_rows_at_once_whatever_the_batch_and_a_gpu_all():
    assert {rows_at_once(torch.device("cpu"), batch) for batch in (7, 1000)} == {CPU_ROWS}
    assert rows_at_once(torch.device("cuda"), 1000) == 1000
