"""A language model at another temperature, as a plain model that every tool samples at temperature 1."""

import torch
from transformers import GPT2LMHeadModel


@torch.no_grad()
def sharpen(model: GPT2LMHeadModel, temperature: float) -> None:
    """Scale the last layer norm of `model` in place, so that its logits are divided by `temperature`.

    The output layer has no bias: logits are linear in what the norm gives.

    Raises:
        ValueError: if the temperature is not positive.
    """
    if not temperature > 0:
        raise ValueError(f"temperature: found {temperature}, expected a positive number")
    norm = model.transformer.ln_f
    norm.weight.div_(temperature)
    norm.bias.div_(temperature)
