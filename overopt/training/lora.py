"""A policy that learns through low-rank adapters, and the reference that is the same weights without them."""

import copy
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from overopt.models.seeding import isolated
from overopt.study.pretrained_parts import LoRA


class Adapted:
    """`policy` with adapters, which alone learn, over `model`, whose weights both share.

    What is held is one copy of the weights, where policy and reference apart would be two.
    """

    def __init__(self, model: PreTrainedModel, lora: LoRA, seed: int) -> None:
        config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, task_type="CAUSAL_LM")
        with isolated(seed, "adapters"):
            self._peft: PeftModel = get_peft_model(model, config)
        self.policy = cast(PreTrainedModel, self._peft.base_model.model)  # adapters in place
        self.policy.eval()

    def reference(self) -> PreTrainedModel:
        """The model as it was before the adapters, for reading: it holds no weights of its own."""
        made = copy.copy(self.policy)
        made._modules = dict(self.policy._modules)
        made._modules[self.policy.base_model_prefix] = _Unadapted(self._peft, self.policy.base_model)
        return made

    def merged(self) -> PreTrainedModel:
        """A model of its own with the adapters added into its weights; the policy goes on unchanged."""
        return copy.deepcopy(self._peft).merge_and_unload().eval()


class _Unadapted(nn.Module):
    """The body of a model, read without its adapters."""

    def __init__(self, peft: PeftModel, body: nn.Module) -> None:
        super().__init__()
        # in a tuple: no part of this module, so that its weights are not counted twice
        self._both = (peft, body)

    def __getattr__(self, name: str) -> Any:
        """What the body has and this module has not."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self._both[1], name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        peft, body = self._both
        with peft.disable_adapter(), torch.no_grad():
            return body(*args, **kwargs)
