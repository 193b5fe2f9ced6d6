"""Whether a policy can be compared with its base: the same tokens, the same prompts, no ends that base does not know."""

from collections.abc import Sequence
from typing import TypeAlias

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from overopt.models.pretrained import prompt_rows
from overopt.models.vocabulary import ends_of, refuse_other_rows, refuse_other_tokens
from overopt.util.errors import UserError

LoadedPolicy: TypeAlias = PreTrainedModel | tuple[PreTrainedModel, PreTrainedTokenizerBase]


def comparable(
    name: str,
    loaded: LoadedPolicy,
    base: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    chat: bool,
) -> PreTrainedModel:
    """The model of a policy, told to end its completions where the base policy does.

    A policy that comes without its tokenizer is trusted to read and write the base policy's tokens.

    Args:
        name: of the policy, for messages.
        loaded: a model, or a model and its tokenizer, as `load_policy` gives them.
        base: the base policy.
        tokenizer: the base policy's.
        prompts: as they are asked.
        chat: whether prompts are a user's turn of a chat.

    Raises:
        UserError: if vocabularies differ; if embedding rows without a token are left, or a prompt holds a token without a
            row; if the two read a prompt as other tokens; or if the policy has an end that is none of the base policy's.

    >>> import overopt
    >>> base, tokenizer = overopt.load_policy("sft")
    >>> policy = comparable("dpo", overopt.load_policy("dpo-400"), base, tokenizer, ["The film"], chat=False)
    >>> policy.config.eos_token_id == tokenizer.eos_token_id
    True
    """
    model, own = loaded if isinstance(loaded, tuple) else (loaded, tokenizer)
    refuse_other_tokens(own, tokenizer, name)
    refuse_other_rows(model, tokenizer, name)
    if model.config.vocab_size != base.config.vocab_size:
        raise UserError(
            f"policy {name}: found {model.config.vocab_size} tokens in its vocabulary, expected the base "
            f"policy's {base.config.vocab_size}"
        )
    _refuse_other_prompts(name, own, tokenizer, prompts, chat=chat)
    highest = max(max(row, default=0) for row in prompt_rows(prompts, tokenizer, chat=chat))
    if highest >= model.config.vocab_size:
        raise UserError(
            f"policy {name}: found {tokenizer.convert_ids_to_tokens(highest)!r} in a prompt, a token without an embedding, "
            "expected none"
        )
    ends = ends_of(base, tokenizer, "base")
    if more := [end for end in ends_of(model, own, name) if end not in ends]:
        written, known = (
            (", ".join(map(repr, tokenizer.convert_ids_to_tokens(ids)))) for ids in (more, ends)
        )
        raise UserError(
            f"policy {name}: found completions that end with {written}, expected only ends of the base policy, {known}; if "
            "the base policy ends there too, its generation_config.json should say so"
        )
    model.config.eos_token_id = ends if len(ends) > 1 else ends[0]
    model.config.pad_token_id = tokenizer.pad_token_id
    return model


def _refuse_other_prompts(
    name: str,
    own: PreTrainedTokenizerBase,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    chat: bool,
) -> None:
    if own is tokenizer or (chat and not own.chat_template):  # without a template of its own it has no say
        return
    found, expected = (prompt_rows(prompts, one, chat=chat) for one in (own, tokenizer))
    for k, (row, other) in enumerate(zip(found, expected, strict=True)):
        if row != other:
            raise UserError(
                f"policy {name}: found prompt {k + 1} read as {own.decode(row)!r} ({len(row)} tokens), expected the base "
                f"policy's {tokenizer.decode(other)!r} ({len(other)} tokens)"
            )
