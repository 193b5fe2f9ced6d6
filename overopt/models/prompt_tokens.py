"""A plain prompt as tokens: what the tokenizer puts before it once, and nothing behind it, for the policy goes on there."""

from transformers import PreTrainedTokenizerBase

from overopt.util.errors import UserError

PROBE = "a"  # a text that no tokenizer takes for a special token


def prompt_tokens(prompt: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of a prompt, special tokens before it as the tokenizer adds them.

    An end of sequence that the tokenizer adds behind a text is left out: a policy that reads one begins another text. A
    prompt that itself begins with BOS, such as one already in a chat template, is given no second.

    Raises:
        UserError: if the tokenizer changes a text when it adds special tokens.
    """
    before, behind = _around(tokenizer)
    whole, bare = (list(tokenizer(prompt, add_special_tokens=added)["input_ids"]) for added in (True, False))
    if whole != [*before, *bare, *behind]:
        raise UserError(
            f"prompt {prompt!r}: found other tokens with special tokens around them than without, expected the same"
        )
    bos = tokenizer.bos_token_id
    if bos is not None and before[-1:] == [bos] == bare[:1]:
        return bare
    return [*before, *bare]


def _around(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The tokens that the tokenizer adds before and behind every text."""
    whole, bare = (list(tokenizer(PROBE, add_special_tokens=added)["input_ids"]) for added in (True, False))
    starts = [k for k in range(len(whole) - len(bare) + 1) if whole[k : k + len(bare)] == bare]
    if len(starts) != 1:
        raise UserError(
            f"tokenizer: found tokens {whole} for {PROBE!r} with special tokens and {bare} without, expected these in those"
        )
    return whole[: starts[0]], whole[starts[0] + len(bare) :]
