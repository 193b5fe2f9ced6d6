"""Weights as they were saved, all of them: what is missing, left over or of another shape is named, never made up.

transformers fills what a file lacks with random numbers and goes on. A language model given as a reward model would then
judge by a random head.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
)

from overopt.util.errors import UserError

# What files may hold beyond the weights: masks and positions, which are computed, of older versions of an architecture.
COMPUTED = r"(\.|^)(attn|attention)\.(attention\.)?(masked_)?bias$|rotary_emb\.inv_freq$|(\.|^)position_ids$"
SHOWN = 3  # of the names of weights in a message


@dataclass(frozen=True)
class Kind:
    """A kind of model that is asked for.

    Attributes:
        auto: what loads it.
        called: its name in messages, before that of the model.
        expected: what it is, in words.
        task: how adapters of it are marked (peft's TaskType).
        unread: names of weights that a model of this kind may have beside its own and never reads.
    """

    auto: Any
    called: str
    expected: str
    task: str
    unread: str


POLICY = Kind(
    AutoModelForCausalLM,
    "model",
    "a causal language model",
    "CAUSAL_LM",
    r"^v_head\.",  # a value head that PPO kept beside its policy
)
CLASSIFIER = Kind(
    AutoModelForSequenceClassification,
    "reward model",
    "a reward model",
    "SEQ_CLS",
    r"^lm_head\.|^embed_out\.|(\.|^)pooler\.dense\.",  # the head of the language model that it was; a pooler of BERT's
)


def read_config(kind: Kind, name: str, **options: Any) -> PreTrainedConfig:
    """What a folder or hub id says of its model, before any weight is read.

    Raises:
        UserError: if there is none, its weights are quantised, or it is an encoder with a decoder and a policy is asked for.
    """
    found = loaded(kind.expected, name, lambda: AutoConfig.from_pretrained(name, **options))
    # of a model that also sees or hears, the part that writes
    if any(getattr(part, "quantization_config", None) for part in (found, found.get_text_config())):
        raise UserError(f"{kind.called} {name}: found quantised weights, expected them whole, as floats")
    if kind is POLICY and found.is_encoder_decoder:
        raise UserError(
            f"{kind.called} {name}: found an encoder with a decoder ({found.model_type}), expected {kind.expected}"
        )
    return found


def refuse_other_heads(kind: Kind, name: str, config: PreTrainedConfig) -> None:
    """Classifiers of tokens and of texts may name their weights alike: what the model was saved as tells them apart.

    Raises:
        UserError: if a classifier is asked for and the model says that it was saved as something else.
    """
    saved_as = config.architectures or []
    if kind is CLASSIFIER and saved_as and not any("ForSequenceClassification" in made for made in saved_as):
        raise UserError(
            f"{kind.called} {name}: found a {', '.join(saved_as)}, which has no weights of a head that scores texts, "
            f"expected a classifier of texts"
        )


def load_weights(
    kind: Kind,
    name: str,
    config: PreTrainedConfig,
    dtype: torch.dtype,
    *,
    brought: Iterable[str] = (),
    **options: Any,
) -> PreTrainedModel:
    """A model of the shape of `config`, with every weight from the safetensors of a folder or hub id.

    Weights that share one tensor may be saved once. `brought`: weights that something else will bring, and may be missing;
    `options`: of `from_pretrained`.

    Raises:
        UserError: if there is none, or a weight is missing, left over, or of another shape; the sentence names it.
    """
    model, report = loaded(
        kind.expected,
        name,
        lambda: kind.auto.from_pretrained(
            name,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are refused here, by name
            output_loading_info=True,
            **options,
        ),
    )
    if getattr(model, "_hf_peft_config_loaded", False):
        raise UserError(f"{kind.called} {name}: found adapters beside its weights, expected a whole model")
    harmless = re.compile(f"{COMPUTED}|{kind.unread}")
    faults = {
        "no weights for": sorted(set(report["missing_keys"]) - set(brought)),
        "weights of no use,": sorted(key for key in report["unexpected_keys"] if not harmless.search(key)),
        "weights of another shape,": sorted(
            f"{key} {list(saved)} for {list(own)}" for key, saved, own in report["mismatched_keys"]
        ),
    }
    if any(faults.values()):
        found = "; ".join(f"{fault} {named(keys)}" for fault, keys in faults.items() if keys)
        raise UserError(
            f"{kind.called} {name}: found {found}, expected {kind.expected} with all the weights of a "
            f"{type(model).__name__}{_made_as(config, model)}"
        )
    keep_untied(model)
    return model.eval()


def keep_untied(model: PreTrainedModel) -> None:
    """Where input and output layer have weights of their own, say so in the configuration: nothing later ties them again."""
    head = model.get_output_embeddings()
    if head is not None and head.weight is not model.get_input_embeddings().weight:
        for config in (model.config, model.config.get_text_config()):
            config.tie_word_embeddings = False


def _made_as(config: PreTrainedConfig, model: PreTrainedModel) -> str:
    made = [kind for kind in config.architectures or () if kind != type(model).__name__]
    return f" (it was saved as {', '.join(made)})" if made else ""


def named(keys: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more


def loaded(expected: str, name: str, load: Callable[[], Any]) -> Any:
    """What `load` returns.

    Raises:
        UserError: if it could not be loaded: `expected` and what a library says was found.
    """
    try:
        return load()
    except UserError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"model {name}: expected {expected}, by hub id or as a folder; found: {first}"
        ) from None
