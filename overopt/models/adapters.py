"""Models as folders or hub ids: whole ones, and low-rank adapters (Hu et al. 2021), added into the base that they name.

Other kinds of adapters (prompts, prefixes, scaled activations) are refused, and so are options of LoRA that cannot be
added into weights, or that change the base.
"""

import json
import warnings
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import cached_file

from overopt.models.seeding import isolated
from overopt.models.weights import (
    CLASSIFIER,
    Kind,
    keep_untied,
    load_weights,
    loaded,
    named,
    read_config,
    refuse_other_heads,
)
from overopt.util.errors import UserError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # of the names of weights in an adapter's file
HEADS = ("score.weight", "classifier.weight", "classifier.out_proj.weight")  # of classifiers; rows are logits
# Fields of an adapter's configuration whose meaning is known here. Any other must be as peft sets it by itself.
MERGED = {
    *("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora", "bias", "fan_in_fan_out"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "modules_to_save"),
    *("lora_dropout", "megatron_core", "init_lora_weights", "inference_mode"),
    *("task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision"),
}
READ = 8  # tokens of the text on which adapters beside and inside of the weights are compared
TOLERANCE = 1e-3  # of the largest logit
PLAIN_STARTS = (True, False, "gaussian", "orthogonal")  # others change the base's weights, or need data


@dataclass(frozen=True)
class Adapter:
    """Adapters of one folder or hub id: their configuration as it stands there, and their weights by name."""

    name: str
    config: dict[str, Any]
    weights: dict[str, Float[Tensor, "..."]]

    @property
    def base(self) -> str:
        """The folder or hub id of the model that they were trained on."""
        return str(self.config["base_model_name_or_path"])

    @property
    def of_base(self) -> dict[str, Any]:
        """What names the base's version on a hub."""
        return {"revision": self.config["revision"]} if self.config.get("revision") else {}

    @property
    def logits(self) -> int | None:
        """How many logits the head has that they bring, if they bring one."""
        heads = [weight for key, weight in self.weights.items() if key.removeprefix(PREFIX) in HEADS]
        return len(heads[0]) if len(heads) == 1 else None


def find_adapter(kind: Kind, name: str) -> Adapter | None:
    """The adapters in a folder or hub id; None if it holds none.

    Raises:
        UserError: if they are of a kind that is not added into weights here, or of another task, or their weights or the
            name of their base are missing, or a whole model stands in the same folder.
    """
    path = _file(name, CONFIG)
    if path is None:
        return None
    said = f"{kind.called} {name}"
    if _file(name, "config.json"):
        raise UserError(f"{said}: found both {CONFIG} and config.json, expected adapters or a whole model")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        config = None
    if not isinstance(config, dict):
        raise UserError(f"{said}: found no JSON object in {CONFIG}, expected adapters of peft")
    _refuse_what_is_not_merged(said, kind, config)
    weights = _file(name, WEIGHTS)
    if weights is None:
        raise UserError(f"{said}: found {CONFIG} without {WEIGHTS}, expected both")
    return Adapter(name, config, loaded("adapters", name, lambda: load_file(weights)))


def _refuse_what_is_not_merged(said: str, kind: Kind, config: dict[str, Any]) -> None:
    from peft import LoraConfig  # where there are no adapters nothing waits for it

    if config.get("peft_type") != "LORA":
        raise UserError(f"{said}: found adapters of the kind {config.get('peft_type')}, expected LORA")
    if config.get("task_type") not in (None, kind.task):
        raise UserError(f"{said}: found adapters for {config['task_type']}, expected {kind.task}")
    if not isinstance(config.get("base_model_name_or_path"), str):
        raise UserError(f"{said}: found no base_model_name_or_path in {CONFIG}, expected the model's")
    usual = LoraConfig()
    known = {field.name: getattr(usual, field.name) for field in fields(usual)}
    for field, value in config.items():
        other = field not in MERGED and value not in (known.get(field), None, False, {}, [])
        if other or (field == "init_lora_weights" and value not in PLAIN_STARTS):
            raise UserError(f"{said}: found {field} = {json.dumps(value)} in {CONFIG}, expected plain LoRA")


def config_of(kind: Kind, name: str) -> PreTrainedConfig:
    """What a folder or hub id says of its model, before that is read; of adapters, what their base says, with their logits.

    Raises:
        UserError: as `find_adapter` and `read_config`, or if what is there is another kind of model.
    """
    return _described(kind, name, find_adapter(kind, name))


def _described(kind: Kind, name: str, adapter: Adapter | None) -> PreTrainedConfig:
    if adapter is None:
        config = read_config(kind, name)
        refuse_other_heads(kind, name, config)
        return config
    if find_adapter(kind, adapter.base):
        raise UserError(
            f"{kind.called} {name}: found adapters of {adapter.base}, which are adapters too, expected a whole model"
        )
    if not _file(adapter.base, "config.json"):
        raise UserError(
            f"{kind.called} {name}: found no model {adapter.base}, which its {CONFIG} names as the base, expected it there"
        )
    config = read_config(kind, adapter.base, **adapter.of_base)
    if kind is CLASSIFIER and adapter.logits is not None:
        config.num_labels = adapter.logits
    else:
        refuse_other_heads(kind, adapter.base, config)
    return config


def load_model(kind: Kind, name: str, dtype: torch.dtype) -> PreTrainedModel:
    """A model of a folder or hub id, every weight of it saved there; of adapters, their base with them added in.

    Raises:
        UserError: as `find_adapter`, `config_of` and `load_weights`.
    """
    adapter = find_adapter(kind, name)
    config = _described(kind, name, adapter)
    if adapter is None:
        return load_weights(kind, name, config, dtype)
    brought = {key.removeprefix(PREFIX) for key in adapter.weights}
    base = load_weights(kind, adapter.base, config, torch.float32, brought=brought, **adapter.of_base)
    return loaded("adapters of its base", name, lambda: merged(kind, base, adapter)).to(dtype)


def merged(kind: Kind, base: PreTrainedModel, adapter: Adapter) -> PreTrainedModel:
    """`base` with adapters added into its weights, which are changed.

    Raises:
        UserError: if a weight of the adapters is missing, left over or of another shape, or the model says otherwise
            with them inside of its weights than with them beside: weights may be shared by layers that are adapted and not.
    """
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    usual = {field.name for field in fields(LoraConfig)}
    config = LoraConfig(**{field: value for field, value in adapter.config.items() if field in usual})
    # peft draws weights, which are then replaced, and warns of what is compared below
    with isolated(0, "adapters"), warnings.catch_warnings(action="ignore"):
        beside = get_peft_model(base, config)
    state = get_peft_model_state_dict(beside, save_embedding_layers=False)
    own = {key: list(weight.shape) for key, weight in state.items()}
    saved = {key: list(weight.shape) for key, weight in adapter.weights.items()}
    if own != saved:
        other = sorted(key for key in own | saved if own.get(key) != saved.get(key))
        raise UserError(
            f"{kind.called} {adapter.name}: found adapters whose weights are not those of {adapter.base}: missing, left "
            f"over or of another shape are {named(other)}; expected those that their {CONFIG} says"
        )
    set_peft_model_state_dict(beside, adapter.weights)
    said = _logits(beside.eval())
    with warnings.catch_warnings(action="ignore"):
        inside = cast(PreTrainedModel, beside.merge_and_unload(safe_merge=True)).eval()
    if (_logits(inside) - said).abs().max() > TOLERANCE * said.abs().max():
        raise UserError(
            f"{kind.called} {adapter.name}: found adapters that cannot be added into the weights of {adapter.base}, which "
            "other layers share, expected ones that can"
        )
    keep_untied(inside)
    return inside


@torch.inference_mode()
def _logits(model: nn.Module) -> Float[Tensor, "..."]:
    return model(input_ids=torch.arange(READ)[None]).logits.float()


def tokenizer_source(kind: Kind, name: str) -> str:
    """Where the tokenizer of a model is: with it, or with the base of its adapters if those were saved without one."""
    adapter = find_adapter(kind, name)
    alone = adapter is not None and not _file(name, "tokenizer_config.json")
    return adapter.base if adapter is not None and alone else name


def _file(name: str, file: str) -> Path | None:
    """A file of a folder or hub id; None if it is not there."""
    try:
        path = cached_file(
            name,
            file,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
            _raise_exceptions_for_gated_repo=False,
        )
    except OSError:  # no such model: who reads its configuration says so
        return None
    return Path(path) if path else None
