"""Our GPT-2 decoder against transformers' own, step by step."""

import pytest
import torch

from overopt.models.fast.decoding import GPT2Decoder, TransformersDecoder, decoder

LIMIT = 6


@pytest.mark.parametrize("padded", [False, True])
def test_logits_agree_with_transformers(language_model, tokenizer, padded):
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(3, len(tokenizer), (6, 5), generator=draw)
    mask = torch.ones(6, 5, dtype=torch.bool)
    if padded:
        for row in range(5):
            mask[row, :row] = False
    ids = ids.masked_fill(~mask, tokenizer.pad_token_id)
    ours, theirs = decoder(language_model, LIMIT), TransformersDecoder(language_model)
    assert isinstance(ours, GPT2Decoder)
    with torch.inference_mode():
        logits = ours.prompt(ids, mask)
        assert logits.std() > 0.3
        torch.testing.assert_close(logits, theirs.prompt(ids, mask), atol=1e-4, rtol=0)
        for step in range(LIMIT):
            if step in (2, 4):
                rows = torch.tensor([4, 0, 0, 2]) if step == 2 else torch.tensor([1, 3])
                ours.keep(rows)
                theirs.keep(rows)
            count = [6, 6, 4, 4, 2, 2][step]
            token = torch.randint(3, len(tokenizer), (count,), generator=draw)
            torch.testing.assert_close(ours.step(token), theirs.step(token), atol=1e-4, rtol=0)


def test_other_architectures_go_through_transformers():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=20, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    assert isinstance(decoder(LlamaForCausalLM(config), LIMIT), TransformersDecoder)
