"""A tiny tokenizer of every family, as transformers loads them: they differ in what marks a word's beginning."""

import json

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = ["The film is great, it is.", "I do not like it!", "Is it long? It 's short, and they 've seen it."]
NAMES = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
TYPED = ["input_ids", "token_type_ids", "attention_mask"]
SPECIAL = list(NAMES.values())
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def _trained(tokenizer, trainer):
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _bos_before(tokenizer):
    """BOS before every text, as Llama's."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return tokenizer


def byte_level():
    """GPT-2's family: a space is part of the token after it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    options = {"vocab_size": 300, "special_tokens": SPECIAL, "show_progress": False}
    return _trained(tokenizer, trainers.BpeTrainer(initial_alphabet=alphabet, **options))


def metaspace(prepend="always"):
    """Llama's family: words begin with ▁, what is unknown is bytes; a text begins with ▁ too, unless `prepend` is never."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend)
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    strip = [decoders.Strip(" ", 1, 0)] if prepend == "always" else []
    tokenizer.decoder = decoders.Sequence([*parts, *strip])
    special = [*SPECIAL, *BYTES]
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=special, show_progress=False)
    told = json.loads(_trained(tokenizer, trainer).to_str())
    told["added_tokens"] = [token for token in told["added_tokens"] if token["content"] not in BYTES]
    return _bos_before(Tokenizer.from_str(json.dumps(told)))


def unigram():
    """T5's and XGLM's family: ▁ as well; runs of spaces, and those at the ends, are dropped."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    options = {"vocab_size": 60, "special_tokens": SPECIAL, "unk_token": "<unk>", "show_progress": False}
    return _trained(tokenizer, trainers.UnigramTrainer(**options))


def wordpiece():
    """BERT's family: what goes on inside a word begins with ##; every text stands between [CLS] and [SEP]."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    special = [*SPECIAL, "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False)
    tokenizer = _trained(tokenizer, trainer)
    return tokenizer


def between_cls_and_sep(tokenizer):
    """The post-processor of BERT."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def eos_behind(tokenizer):
    """EOS behind every text, as T5's, and as Llama's with add_eos_token."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return tokenizer


def fast(tokenizer, **options):
    """As transformers has it."""
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **(NAMES | options))


def bert():
    """A tokenizer that separates two texts."""
    return fast(
        between_cls_and_sep(wordpiece()), cls_token="[CLS]", sep_token="[SEP]", model_input_names=TYPED
    )


FAMILIES = {
    "byte-level BPE": byte_level,
    "Metaspace": metaspace,
    "Metaspace without prefix": lambda: metaspace("never"),
    "Metaspace at the first word": lambda: metaspace("first"),
    "WordPiece": wordpiece,
    "Unigram": unigram,
}
