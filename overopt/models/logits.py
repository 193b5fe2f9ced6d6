"""Which logit of a classifier is the reward: one by its label, or the difference of two; never a guess."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedConfig

from overopt.util.errors import UserError


@dataclass(frozen=True)
class Logit:
    """The logit `plus`, less the logit `minus` if there is one, by their places."""

    plus: int
    minus: int | None = None

    def of(self, logits: Float[Tensor, "texts labels"]) -> Float[Tensor, " texts"]:
        """One number a text."""
        return logits[:, self.plus] if self.minus is None else logits[:, self.plus] - logits[:, self.minus]


def which_logit(name: str, config: PreTrainedConfig, asked: str | None) -> Logit:
    """The logit that `asked` names of the classifier `name`: a label, or A-B for a difference; None: the only one.

    Raises:
        UserError: if there are several logits and none is named, or `asked` is no label and no difference, or can be both.

    >>> from transformers import LlamaConfig
    >>> config = LlamaConfig(id2label={0: "bad", 1: "good"})
    >>> which_logit("judge", config, "good-bad")
    Logit(plus=1, minus=0)
    """
    labels = [str(config.id2label[k]) for k in range(config.num_labels)]
    if asked is None:
        if len(labels) == 1:
            return Logit(0)
        raise UserError(
            f"reward model {name}: found {len(labels)} logits, {_quoted(labels)}, expected to be told which is the "
            "reward, by --gold-logit, --proxy-logit or a study's field `logit`: a label, or A-B for a difference"
        )
    places = {label: [k for k, other in enumerate(labels) if other == label] for label in labels}
    # a label may hold a hyphen itself
    cuts = [(asked, None), *((asked[:k], asked[k + 1 :]) for k, sign in enumerate(asked) if sign == "-")]
    found = [cut for cut in cuts if cut[0] != cut[1] and {cut[0], cut[1] or cut[0]} <= places.keys()]
    if len(found) != 1 or any(label is not None and len(places[label]) > 1 for label in found[0]):
        raise UserError(
            f"reward model {name}: found {len(found)} ways to read the logit {asked!r} among {_quoted(labels)}, "
            "expected the name of one label, or A-B of two"
        )
    plus, minus = found[0]
    return Logit(places[plus][0], None if minus is None else places[minus][0])


def _quoted(labels: list[str]) -> str:
    return ", ".join(map(repr, labels))
