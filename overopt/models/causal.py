"""Whether a language model reads from left to right: an encoder that is loaded as one sees what it is to predict."""

import torch
from transformers import PreTrainedModel

from overopt.util.errors import UserError

READ = 8  # tokens of the texts that are tried
TOLERANCE = 1e-3  # of the spread of a token's logits; what rounding and other kernels may do


@torch.inference_mode()
def refuse_if_sees_ahead(model: PreTrainedModel, name: str) -> None:
    """Compare the first token's logits in texts that differ behind it.

    Raises:
        UserError: if they differ, or are no numbers.
    """
    highest = model.get_input_embeddings().weight.shape[0] - 1
    texts = torch.arange(2 * READ, device=model.device).reshape(2, READ) % (highest + 1)
    texts[:, 0] = highest
    first, other = (model(input_ids=text[None]).logits[0, 0].float() for text in texts)
    if first.isnan().any():
        raise UserError(f"model {name}: found logits that are no numbers, expected a causal language model")
    if (first - other).abs().max() > TOLERANCE * first.std():
        raise UserError(
            f"model {name}: found a {type(model).__name__} that reads ahead of the token it predicts, expected a causal "
            "language model"
        )
