"""A reward model that somebody else trained: it reads texts, as it was trained to."""

import inspect
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from overopt.models.logits import which_logit
from overopt.models.pretrained import load_classifier
from overopt.models.reading import Row, reading_of
from overopt.models.written import Written
from overopt.util.errors import UserError


class RewardModel:
    """A sequence classifier as a `Scorer`: one logit of it, or the difference of two, of prompt and completion.

    >>> judge = RewardModel("reward-model")
    >>> len(judge.score(["The film"], [" was good."]))  # a logit a completion
    1
    """

    def __init__(
        self,
        name: str,
        device: torch.device | str = "cpu",
        *,
        reads: str = "auto",
        ends: str = "auto",
        logit: str | None = None,
        batch: int = 32,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Load it.

        Args:
            name: a folder or hub id.
            device: where it computes.
            reads: whether prompt and completion are one text, a pair or a chat: see `overopt.models.reading.reading_of`.
            ends: how finished completions end, there too.
            logit: which of several: see `overopt.models.logits.which_logit`.
            batch: texts at once; changes no result.
            dtype: of its weights.

        Raises:
            UserError: as `load_classifier`, `which_logit` and `reading_of`.
        """
        model, self.tokenizer = load_classifier(name, dtype, logit)
        self.name, self.batch = name, batch
        self.logit = which_logit(name, model.config, logit)
        self.reading = reading_of(
            name, self.tokenizer, reads=reads, ends=ends, fixed_end=model.config.is_encoder_decoder
        )
        # Rows of a batch are of one length. No token pads: one that did would hide the end of a text.
        model.config.pad_token_id = model.config.get_text_config().pad_token_id = -1
        self.model = model.to(device)
        self.inputs = set(inspect.signature(model.forward).parameters)
        self.most = getattr(model.config, "max_position_embeddings", None)

    def score(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
        """The logit of each text, every completion taken for finished.

        Raises:
            UserError: as `score_written`.
        """
        texts = list(completions)
        return self.score_written(Written(list(prompts), texts, [True] * len(texts)))

    @torch.inference_mode()
    def score_written(self, written: Written) -> list[float]:
        """The logit of each text; a completion that its policy did not end is given no end.

        Raises:
            UserError: if a text is longer than the model reads: nothing is ever cut.
        """
        rows = self.rows(written)
        lengths = [len(row["input_ids"]) for row in rows]
        longest = max(range(len(rows)), key=lengths.__getitem__)
        if self.most is not None and lengths[longest] > self.most:
            raise UserError(
                f"text {longest + 1} for reward model {self.name}: found {lengths[longest]} tokens, expected at "
                f"most {self.most}; ask for shorter completions"
            )
        of_length: dict[int, list[int]] = {}
        for k, length in enumerate(lengths):
            of_length.setdefault(length, []).append(k)
        scores: Float[Tensor, " texts"] = torch.empty(len(rows))
        for indices in of_length.values():
            for start in range(0, len(indices), self.batch):
                part = indices[start : start + self.batch]
                scores[part] = self._scores([rows[k] for k in part])
        return scores.tolist()

    def rows(self, written: Written) -> list[Row]:
        """The tokens of each text, as the model reads them."""
        texts = zip(written.prompts, written.completions, written.ended, strict=True)
        return [
            self.reading.row(self.tokenizer, prompt, completion, ended=ended)
            for prompt, completion, ended in texts
        ]

    def example(self, written: Written) -> str:
        """How it reads, in words, and the first text as it reads it, special tokens and all: as finished, and as cut."""
        prompt, completion = written.prompts[0], written.completions[0]
        finished, cut = (
            self.tokenizer.decode(row["input_ids"], clean_up_tokenization_spaces=False)
            for row in self.rows(Written([prompt] * 2, [completion] * 2, [True, False]))
        )
        how = f"{self.name} reads a {self.reading.reads}, its end {self.reading.source}"
        return f"{how}; finished: {finished!r}, cut at the limit: {cut!r}"

    def _scores(self, rows: Sequence[Row]) -> Float[Tensor, " texts"]:
        """Of rows of one length, on the CPU."""
        inputs = {
            kind: torch.tensor([row[kind] for row in rows], device=self.model.device)
            for kind in rows[0]
            if kind in self.inputs
        }
        logits = self.model(**inputs, attention_mask=torch.ones_like(inputs["input_ids"])).logits
        return self.logit.of(logits.float()).cpu()
