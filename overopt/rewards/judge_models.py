"""The models of a judge's run, each loaded when it is first needed: base policy and judges stay, one policy at a time."""

from collections.abc import Mapping
from functools import cached_property

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from overopt.models.identity import ModelFiles
from overopt.models.pretrained import RewardModel, load_policy
from overopt.rewards.judge import check_vocabulary


class JudgeModels:
    """Base policy and judges by kind (`gold`, `proxy`), and whichever policy is being measured."""

    def __init__(self, base: ModelFiles, scorers: Mapping[str, ModelFiles]) -> None:
        self.base_files, self.scorer_files = base, scorers
        self._scorers: dict[str, RewardModel] = {}
        self._policy: tuple[ModelFiles, PreTrainedModel] | None = None

    @cached_property
    def on_cpu(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """The base policy, on the CPU until `base` moves it, and the tokenizer that all policies share."""
        loaded = load_policy(self.base_files.name)
        self.base_files.check_unchanged()
        return loaded

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """That of the base policy, which all policies share."""
        return self.on_cpu[1]

    def longest_prompt(self, completion_tokens: int) -> int:
        """The most tokens of a prompt that leave room for a completion."""
        positions = getattr(self.on_cpu[0].config, "max_position_embeddings", None)
        return positions - completion_tokens if positions else 2**31

    def base(self, device: torch.device | str) -> PreTrainedModel:
        """The base policy."""
        return self.on_cpu[0].to(device)

    def policy(self, files: ModelFiles, device: torch.device | str) -> PreTrainedModel:
        """A policy; the one before it is let go.

        Raises:
            UserError: as `load_policy`, or if its vocabulary is not the base policy's, or its files have changed.
        """
        if files.identity == self.base_files.identity:
            return self.base(device)
        if self._policy is None or self._policy[0] is not files:
            self._policy = None  # before the next is loaded: memory is for one
            policy = load_policy(files.name, device)[0]
            files.check_unchanged()
            check_vocabulary(files.name, policy, self.on_cpu[0])
            policy.config.eos_token_id = self.tokenizer.eos_token_id
            policy.config.pad_token_id = self.tokenizer.pad_token_id
            self._policy = files, policy
        return self._policy[1]

    def scorer(self, kind: str, device: torch.device | str) -> RewardModel:
        """A judge.

        Raises:
            UserError: as `RewardModel`, or if its files have changed.
        """
        if kind not in self._scorers:
            self._scorers[kind] = RewardModel(self.scorer_files[kind].name, device)
            self.scorer_files[kind].check_unchanged()
        return self._scorers[kind]
