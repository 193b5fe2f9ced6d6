"""The last layer at the tokens that are asked for is that of a whole pass, gradients too."""

import pytest
import torch
from test_packing import CONFIGS, begun_alike
from transformers import AutoModelForCausalLM

from overopt.models.fast import last_block
from overopt.models.fast.last_block import plain_gpt2, states_of
from overopt.models.fast.packing import Layout, hidden_states


@pytest.fixture
def make_model(sharpen):
    """Makes an untrained model of one of the configurations, with these changes."""

    def make(name, **changes):
        config = type(CONFIGS[name]).from_dict(CONFIGS[name].to_dict() | changes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return sharpen(AutoModelForCausalLM.from_config(config))

    return make


def wanted_of(which, layout):
    """The last token of each row; all tokens but the first of rows that have more; all."""
    many = layout.inside.sum(1, keepdim=True) > 1
    later = torch.arange(layout.inside.shape[1]) >= many.long()
    return {"last": layout.last, "later": layout.inside & later, "all": layout.inside}[which]


def both_ways(model, ids, layout, wanted):
    """States and gradients of every weight: of the wanted tokens alone, and picked from a whole pass."""
    weights = list(model.base_model.parameters())
    found = []
    for states in (
        states_of(model, ids, layout, wanted),
        hidden_states(model, ids, layout)[layout.tokens(wanted)],
    ):
        slopes = torch.autograd.grad(states.square().sum(), weights)
        found.append((states, *slopes))
    return zip(*found, strict=True)


@pytest.mark.parametrize("columns", [9, 81])
@pytest.mark.parametrize("which", ["last", "later", "all"])
@pytest.mark.parametrize("sharing", [False, True])
def test_equals_a_whole_pass(make_model, columns, which, sharing):
    model = make_model("GPT-2")
    ids, lengths = begun_alike(columns)
    layout = Layout.sharing(ids, lengths) if sharing else Layout.of(lengths)
    for ours, whole in both_ways(model, ids, layout, wanted_of(which, layout)):
        torch.testing.assert_close(ours, whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_other_architectures_are_read_in_full(make_model, name):
    ids, lengths = begun_alike(9)
    layout = Layout.sharing(ids, lengths)
    for ours, whole in both_ways(make_model(name), ids, layout, layout.last):
        torch.testing.assert_close(ours, whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "changes",
    [{"n_layer": 1}, {"scale_attn_by_inverse_layer_idx": True}, {"scale_attn_weights": False}],
    ids=str,
)
def test_other_kinds_of_gpt2(make_model, changes):
    ids, lengths = begun_alike(9)
    layout = Layout.of(lengths)
    for ours, whole in both_ways(make_model("GPT-2", **changes), ids, layout, layout.last):
        torch.testing.assert_close(ours, whole, atol=1e-4, rtol=1e-4)


def test_rows_may_want_nothing_and_others_several(make_model):
    model = make_model("GPT-2")
    ids, lengths = begun_alike(9)
    layout = Layout.of(lengths)
    wanted = torch.zeros_like(layout.inside)
    wanted[0, 3:7], wanted[2, 4] = True, True
    assert wanted.sum() == len(ids)  # as many as rows, but not one each
    for ours, whole in both_ways(model, ids, layout, wanted):
        torch.testing.assert_close(ours, whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("part", ["c_attn", "c_fc"])
def test_adapters_anywhere_are_seen(make_model, part):
    model = make_model("GPT-2")
    assert plain_gpt2(model.transformer)
    block = model.transformer.h[1]
    holder = block.attn if part == "c_attn" else block.mlp
    setattr(holder, part, torch.nn.Sequential(getattr(holder, part)))
    assert not plain_gpt2(model.transformer)
    ids, lengths = begun_alike(9)
    layout = Layout.of(lengths)
    assert states_of(model, ids, layout, layout.last).shape == (len(lengths), 16)


def test_only_what_is_asked_for_goes_through_the_last_block(make_model):
    model, seen = make_model("GPT-2"), []
    for block in model.transformer.h:
        block.mlp.register_forward_hook(lambda module, inputs, output: seen.append(output.flatten(0, -2)))
    ids, lengths = begun_alike(9)
    layout = Layout.of(lengths)
    states_of(model, ids, layout, layout.last)
    assert [len(rows) for rows in seen] == [lengths.sum(), len(lengths)]


def test_dropout_reaches_every_token_of_a_model_in_training(make_model, monkeypatch):
    ids, lengths = begun_alike(9)
    layout, model = Layout.of(lengths), make_model("GPT-2", resid_pdrop=0.5).train()
    monkeypatch.setattr(last_block, "_last_block", None)
    assert states_of(model, ids, layout, layout.last).shape == (len(lengths), 16)


def test_in_bfloat16_as_near_to_float32_as_a_whole_pass(make_model):
    model = make_model("GPT-2")
    ids, lengths = begun_alike(9)
    layout = Layout.of(lengths)
    exact = hidden_states(model, ids, layout)[layout.tokens(layout.last)]
    with torch.autocast("cpu", torch.bfloat16):
        whole = hidden_states(model, ids, layout)[layout.tokens(layout.last)]
        ours = states_of(model, ids, layout, layout.last)
    assert 0 < (ours - exact).abs().max() < 2 * (whole - exact).abs().max()
