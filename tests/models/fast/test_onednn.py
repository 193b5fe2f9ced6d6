"""Products by oneDNN against those of torch, and rows that do not depend on how many there are."""

import pytest
import torch
from tiny_models import SMALL
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, GPT2Config, GPTNeoXConfig, LlamaConfig, PreTrainedModel

from overopt.models.fast.onednn import WIDE, Product, linear, reading, usable
from overopt.models.fast.packing import Layout, hidden_states

CONFIGS = {
    "gpt2": GPT2Config(vocab_size=40, n_embd=WIDE, n_layer=1, n_head=2, n_positions=48),
    "llama": LlamaConfig(**SMALL | {"hidden_size": WIDE, "vocab_size": 40, "intermediate_size": 32}),
    "neox": GPTNeoXConfig(**SMALL | {"hidden_size": WIDE, "vocab_size": 40, "intermediate_size": 32}),
}


def drawn(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def wide(name) -> PreTrainedModel:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIGS[name]).eval()


@pytest.mark.parametrize("rows", [1, 7, 256])
@torch.inference_mode()
def test_a_product_is_that_of_torch(rows):
    inputs, weight, bias, sums = drawn(rows, 80), drawn(80, 200), drawn(200), drawn(rows, 200)
    assert torch.allclose(linear(inputs, weight.T, bias), F.linear(inputs, weight.T, bias), atol=1e-4)
    for product, added in ((Product(weight, bias), bias), (Product(weight), torch.zeros(200))):
        expected = inputs @ weight + added
        assert torch.allclose(product(inputs), expected, atol=1e-4)
        assert torch.allclose(product.onto(sums, inputs), sums + expected, atol=1e-4)


@torch.inference_mode()
def test_what_onednn_does_not_multiply_goes_through_torch():
    inputs, weight, bias = drawn(5, 8).double(), drawn(8, 6).double(), drawn(6).double()
    assert not usable(weight)
    assert torch.equal(Product(weight, bias)(inputs), torch.addmm(bias, inputs, weight))
    assert torch.equal(Product(weight).onto(bias.expand(5, 6), inputs), bias + inputs @ weight)


def test_part_of_a_wider_matrix_is_left_to_torch():
    """oneDNN multiplies it too, a hundred times slower."""
    weight = drawn(8, 12)
    assert usable(weight)
    assert usable(weight.T)
    assert not usable(weight[:, 4:])


@torch.inference_mode()
def test_a_row_does_not_depend_on_how_many_there_are():
    inputs, product = drawn(300, 96), Product(drawn(96, 130), drawn(130))
    whole = product(inputs)
    assert all(torch.equal(product(inputs[:rows]), whole[:rows]) for rows in (1, 2, 31, 64, 100, 299))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_whole_model_reads_the_same_with_the_faster_products(name, monkeypatch):
    model, ids = wide(name), torch.randint(3, 40, (4, 9), generator=torch.Generator().manual_seed(0))
    layout, calls = Layout.of(torch.tensor([9, 4, 7, 1])), []
    expected = hidden_states(model, ids, layout)  # with a gradient, by torch
    monkeypatch.setattr(
        "overopt.models.fast.onednn.linear", lambda *given: calls.append(given) or linear(*given)
    )
    with torch.no_grad():
        assert torch.allclose(hidden_states(model, ids, layout), expected, atol=1e-4)
    assert len(calls) >= 4  # attention, its projection, and two of the network behind it


def test_gradients_and_narrow_models_stay_with_torch(small_vocabulary):
    with torch.no_grad(), reading(small_vocabulary(0)) as mode:
        assert mode is None
    with reading(wide("gpt2")) as mode:
        assert mode is None
