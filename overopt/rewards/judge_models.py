"""The models of a judge's run, each loaded when it is first needed: base policy and judges stay, one policy at a time."""

from collections.abc import Mapping
from functools import cached_property

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from overopt.models.comparable import comparable
from overopt.models.identity import ModelFiles
from overopt.models.pretrained import encode, load_policy
from overopt.models.reading import check_asked
from overopt.models.samples import Prompts, Samples
from overopt.models.text_reward import RewardModel
from overopt.models.vocabulary import ends_of
from overopt.rewards.judge_question import Judge, Question
from overopt.util.errors import UserError


class JudgeModels:
    """Base policy and judges by kind (`gold`, `proxy`), and whichever policy is being measured."""

    def __init__(self, base: ModelFiles, judges: Mapping[str, Judge], question: Question) -> None:
        self.base_files, self.judges, self.question = base, judges, question
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

    @property
    def ends(self) -> list[int]:
        """The tokens that end a completion of the base policy, the tokenizer's end of sequence first."""
        return ends_of(*self.on_cpu, "base")

    @cached_property
    def prompts(self) -> Prompts:
        """All prompts as tokens, on the CPU.

        Raises:
            UserError: if one is too long: see `encode`.
        """
        asked, positions = self.question, getattr(self.on_cpu[0].config, "max_position_embeddings", None)
        longest = positions - asked.completion_tokens if positions else 2**31
        return encode(asked.prompts, self.tokenizer, most=longest, chat=asked.chat)

    def check_tokens(self, files: ModelFiles, drawn: Samples) -> None:
        """For samples that another sampler drew, which may know embedding rows that `load_policy` cuts.

        Raises:
            UserError: if a token is none of the tokenizer's.
        """
        highest, count = int(drawn.ids.max()), int(self.on_cpu[0].config.vocab_size)
        if highest >= count:
            raise UserError(
                f"policy {files.name}: found the token {highest} in what vLLM drew, expected one below {count}, those of "
                "the tokenizer; the sampler transformers draws no other"
            )

    def base(self, device: torch.device | str) -> PreTrainedModel:
        """The base policy."""
        return self.on_cpu[0].to(device)

    def policy(self, files: ModelFiles, device: torch.device | str) -> PreTrainedModel:
        """A policy; the one before it is let go.

        Raises:
            UserError: as `load_policy` and `comparable`, or if its files have changed.
        """
        if self._policy is None or self._policy[0] is not files:
            self._policy = None  # before the next is loaded: memory is for one
            is_base = files.identity == self.base_files.identity
            loaded = self.base(device) if is_base else load_policy(files.name, device)
            files.check_unchanged()
            asked, base = self.question, self.base(device)
            model = comparable(files.name, loaded, base, self.tokenizer, asked.prompts, chat=asked.chat)
            self._policy = files, model
        return self._policy[1]

    def scorer(self, kind: str, device: torch.device | str) -> RewardModel:
        """A judge.

        Raises:
            UserError: as `RewardModel` and `check_asked`, or if its files have changed.
        """
        if kind not in self._scorers:
            judge = self.judges[kind]
            scorer = RewardModel(judge.name, device, reads=judge.reads, ends=judge.ends, logit=judge.logit)
            judge.files.check_unchanged()
            check_asked(scorer.name, scorer.reading, chat=self.question.chat)
            self._scorers[kind] = scorer
        return self._scorers[kind]
