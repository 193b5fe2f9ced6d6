"""Reward models in use: score completions, put scores on the paper's scale, calibrate proxies."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from scipy.optimize import brentq
from scipy.special import expit
from torch import Tensor, nn
from transformers import PreTrainedModel

from overopt.models.fast.last_block import states_of
from overopt.models.fast.packing import Layout
from overopt.models.fast.reading import read_rows
from overopt.models.samples import Samples, pad_rows
from overopt.util.files import read_json, write_json

Rows = list[list[int]]  # token ids of texts, BOS first


def score_rows(
    model: PreTrainedModel, ids: Int[Tensor, "batch length"], layout: Layout
) -> Float[Tensor, " batch"]:
    """The model's scalar at the last token of each row; rows start at column 0. Gradients are kept."""
    return model.score(states_of(model, ids, layout, layout.last))[:, 0].float()


@torch.inference_mode()
def score(model: PreTrainedModel, samples: Samples, *, batch: int = 512) -> Float[Tensor, " samples"]:
    """Raw reward of prompt and completion, on the CPU, in the order of `samples`."""
    return _score_table(model, *samples.shifted_left(), batch)


def score_lists(model: PreTrainedModel, rows: Rows) -> Float[Tensor, " rows"]:
    """Raw scores of token rows, gradients kept. What a row begins with as the one before it does is read once."""
    ids, lengths = (part.to(model.device) for part in _table(rows))
    return score_rows(model, ids, Layout.sharing(ids, lengths))


@torch.inference_mode()
def score_all(model: PreTrainedModel, rows: Rows, batch: int = 256) -> Float[Tensor, " rows"]:
    """Raw scores of many token rows, in their order, on the CPU."""
    return _score_table(model, *_table(rows), batch)


def _table(rows: Rows) -> tuple[Int[Tensor, "rows longest"], Int[Tensor, " rows"]]:
    return pad_rows(rows, 0, left=False), torch.tensor(list(map(len, rows)))


def _score_table(
    model: PreTrainedModel, ids: Int[Tensor, "rows columns"], lengths: Int[Tensor, " rows"], batch: int
) -> Float[Tensor, " rows"]:
    """Raw scores of rows that start at column 0, on the CPU, in their order."""

    def read(rows: Int[Tensor, " part"]) -> Float[Tensor, " part"]:
        of = lengths[rows].to(model.device)
        part = ids[rows, : int(of.max())].to(model.device)
        return score_rows(model, part, Layout.sharing(part, of))

    return read_rows(ids, lengths, read, device=model.device, batch=batch)


@dataclass(frozen=True)
class Scale:
    """`gain * raw + bias`, the affine map from raw scores to base-policy SDs with the base policy at 0."""

    gain: float
    bias: float

    @staticmethod
    def centred(gain: float, mean: float) -> "Scale":
        """`gain`, and the bias that takes the raw score `mean` to 0, without their last digits.

        Those depend on how many rows were scored at once. A policy trained on rewards that differ in them would let
        the batch size of a machine into its results.
        """
        gain = float(f"{gain:.6g}")
        return Scale(gain, round(-gain * mean, 6))

    @staticmethod
    def load(folder: Path, of: str) -> "Scale":
        """What `save` wrote for the scores of `of`."""
        return Scale(**read_json(folder / f"{of}_scale.json"))

    def save(self, folder: Path, of: str) -> None:
        """`folder/<of>_scale.json`."""
        write_json(folder / f"{of}_scale.json", {"gain": self.gain, "bias": self.bias})

    def __call__(self, raw: Tensor) -> Tensor:
        """Raw scores on the scale."""
        return self.gain * raw + self.bias


def scale_head(model: PreTrainedModel, scale: Scale) -> None:
    """Put what `model` says on `scale`, in place: gain and bias become part of its head."""
    head = model.score
    model.score = nn.Linear(head.in_features, 1, device=head.weight.device, dtype=head.weight.dtype)
    with torch.no_grad():
        model.score.weight.copy_(scale.gain * head.weight)
        model.score.bias.fill_(scale.bias)


def gold_scale(base: Float[Tensor, " samples"]) -> Scale:
    """Base policy at mean 0 and variance 1 (paper, section 2.2: gold is divided to unit variance).

    Raises:
        ValueError: if the scores do not vary.
    """
    values = base.double()
    spread = float(values.std())
    if not spread > 0:
        raise ValueError("gold scores of the base policy: found no spread, expected some")
    return Scale.centred(1 / spread, float(values.mean()))


def proxy_gain(margins: Float64[np.ndarray, " pairs"], gold_margins: Float64[np.ndarray, " pairs"]) -> float:
    """The gain on a proxy's logits that minimises cross-entropy against soft gold labels.

    margins: raw proxy score of the first text less the second, on validation pairs; gold_margins: the same for
    gold, in base-policy SDs. sigmoid(gold_margins) is taken for the gold probability, so that the proxy comes
    out in gold's unit. Training on hard labels miscalibrates a proxy; this undoes it (paper, section 2.2). The
    gain is positive: a proxy that ranks worse than chance is scaled to almost nothing rather than turned round.
    """
    target = expit(gold_margins)

    def slope(log_gain: float) -> float:
        """Derivative of the cross-entropy by the gain: its root is exact where the minimum itself is flat."""
        return float(np.mean(margins * (expit(np.exp(log_gain) * margins) - target)))

    low, high = -12.0, 12.0
    if slope(low) >= 0:
        return float(np.exp(low))
    if slope(high) <= 0:
        return float(np.exp(high))
    return float(np.exp(brentq(slope, low, high, xtol=1e-12)))
