"""A sharpened model says at temperature 1 what the model said at another."""

import pytest
import torch

from overopt.models.build import new_language_model
from overopt.models.sharpen import sharpen
from overopt.study.parts import Shape


@pytest.mark.parametrize("temperature", [0.5, 0.9, 1.3])
def test_logits_are_divided_by_the_temperature(tokenizer, temperature):
    model = new_language_model(Shape(layers=2, width=16, heads=2), tokenizer, 32, seed=0).eval()
    torch.nn.init.normal_(model.transformer.ln_f.bias)
    ids = torch.arange(3, 15)[None]
    with torch.inference_mode():
        before = model(input_ids=ids).logits
        sharpen(model, temperature)
        torch.testing.assert_close(model(input_ids=ids).logits, before / temperature)


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_no_temperature_that_is_none(tokenizer, temperature):
    model = new_language_model(Shape(layers=1, width=16, heads=2), tokenizer, 32, seed=0)
    with pytest.raises(ValueError, match="temperature: found"):
        sharpen(model, temperature)
