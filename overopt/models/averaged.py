"""One model whose weights are the mean of several: it reads a text once, an ensemble once for each member."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel


@torch.no_grad()
def average_weights(models: Sequence[PreTrainedModel]) -> PreTrainedModel:
    """The first of `models`, with every weight the arithmetic mean of theirs (Ramé et al. 2024, WARM, arXiv:2401.12187).

    The mean of models is a model where all learnt from the same start, so that their weights mean the same.

    Raises:
        ValueError: if there is no model, or two differ in the names or shapes of their weights.

    >>> import torch
    >>> one, three = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    >>> for layer, value in ((one, 1.0), (three, 3.0)):
    ...     _ = torch.nn.init.constant_(layer.weight, value)
    >>> average_weights([one, three]).weight.item()
    2.0
    """
    if not models:
        raise ValueError("models to average: found none, expected one at least")
    weights = [dict(model.named_parameters()) for model in models]
    shapes = [{name: weight.shape for name, weight in of.items()} for of in weights]
    if any(found != shapes[0] for found in shapes):
        raise ValueError(
            "models to average: found weights of other names or shapes, expected the same in all"
        )
    for name, weight in weights[0].items():
        # of equal weights, to the last bit, that weight
        weight.copy_(torch.stack([of[name].double() for of in weights]).mean(0))
    return models[0]
