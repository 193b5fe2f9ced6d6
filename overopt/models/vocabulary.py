"""What a model may write: tokens of its tokenizer and no others, of the base policy's vocabulary, up to what ends a text."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from overopt.models.samples import Samples
from overopt.util.errors import UserError

SHOWN = 3  # tokens in a message


def drop_rows_without_token(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """Cut embedding rows behind the tokenizer's last token, of input and output, in place.

    Models are often padded to a round number of rows. What no text can hold is then no longer drawn: the model's
    distribution is that over the tokens that there are.

    Raises:
        UserError: if a row before the last token has none.
    """
    ids = set(tokenizer.get_vocab().values())
    rows, count = model.get_output_embeddings().weight.shape[0], max(ids) + 1
    empty = sorted(set(range(min(rows, count))) - ids)
    if empty:
        raise UserError(
            f"model {name}: found {len(empty)} embedding rows without a token among the others, the first {empty[0]}, "
            "expected them behind the last token or nowhere"
        )
    if rows > count:
        model.resize_token_embeddings(count)


def refuse_other_rows(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
    """For models that `drop_rows_without_token` has not seen.

    Raises:
        UserError: if the model has more embedding rows than the tokenizer has tokens.
    """
    rows, count = model.get_output_embeddings().weight.shape[0], max(tokenizer.get_vocab().values()) + 1
    if rows > count:
        raise UserError(
            f"policy {name}: found {rows} embedding rows, expected at most {count}, one a token of the tokenizer; "
            "load_policy drops the others"
        )


def refuse_other_tokens(tokenizer: PreTrainedTokenizerBase, base: PreTrainedTokenizerBase, name: str) -> None:
    """Compare vocabularies token by token: one token is the same text for both, or a KL between them means nothing.

    Raises:
        UserError: if they differ.
    """
    own, expected = tokenizer.get_vocab(), base.get_vocab()
    other = sorted(token for token in own.keys() | expected.keys() if own.get(token) != expected.get(token))
    if other:
        raise UserError(
            f"policy {name}: found another vocabulary than the base policy's, expected the same; tokens that differ: "
            f"{', '.join(map(repr, other[:SHOWN]))}"
            + f" and {len(other) - SHOWN} more"
            * (len(other) > SHOWN)
        )


def ends_of(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> list[int]:
    """The tokens that end a completion: the tokenizer's end of sequence first, then those of the generation configuration.

    Models for chats often have several, such as the end of a turn and that of a text.

    Raises:
        UserError: if the tokenizer has no end of sequence, or the configuration says that an ordinary token is one.
    """
    if tokenizer.eos_token_id is None:
        raise UserError(f"model {name}: found a tokenizer without an end of sequence, expected one with")
    said = getattr(model.generation_config, "eos_token_id", None)
    listed: Sequence[int] = [] if said is None else said if isinstance(said, list) else [said]
    marks = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    tokens = set(tokenizer.get_vocab().values())
    for end in listed:
        if end in tokens and end not in marks:
            raise UserError(
                f"model {name}: found {tokenizer.convert_ids_to_tokens(end)!r}, an ordinary token, as an end of "
                f"completions ({end} in eos_token_id of its generation configuration), expected special tokens"
            )
    return list(dict.fromkeys([tokenizer.eos_token_id, *(end for end in listed if end in tokens)]))


def with_one_end(samples: Samples, ends: Collection[int], eos: int) -> Samples:
    """Samples with `eos` in the place of whichever of `ends` a completion ends with: for whoever knows one end alone."""
    last = samples.lengths[:, None] - 1
    ended = torch.isin(samples.ids.gather(1, last), torch.tensor(list(ends)))
    at_end = ended & (torch.arange(samples.ids.shape[1]) == last)
    return replace(samples, ids=samples.ids.masked_fill(at_end, eos))
