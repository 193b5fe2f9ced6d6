"""What a policy may write: compared with the distribution over the tokens that there are, and with every end."""

from dataclasses import replace

import pytest
import torch
from edited_models import edit_json
from tiny_models import CONFIGS
from tokenizers import AddedToken
from transformers import AutoModelForCausalLM, AutoTokenizer

from overopt.models.log_probs import sample_kl, token_log_probs
from overopt.models.pretrained import encode, load_policy
from overopt.models.samples import Prompts
from overopt.models.sampling import sample, sample_many
from overopt.models.seeding import generator
from overopt.models.vocabulary import ends_of, refuse_other_rows, with_one_end
from overopt.util.errors import UserError

TURN = "<end_of_turn>"


@pytest.fixture
def padded(saved):
    """Saves a model with 8 embedding rows more than its tokenizer has tokens, and likely ones; returns its folder."""

    def make(name, **more):
        folder = saved(name, **more)
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
        count = model.config.vocab_size
        model.resize_token_embeddings(count + 8)
        torch.manual_seed(1)
        with torch.no_grad():
            for end in (model.get_input_embeddings(), model.get_output_embeddings()):
                end.weight[count:] = 2 * torch.randn(8, end.weight.shape[1])
        model.save_pretrained(folder)
        return folder, model.eval(), count

    return make


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("tied", [False, True])
def test_rows_without_a_token_are_never_drawn(name, tied, padded):
    folder, whole, _ = padded(name, tie_word_embeddings=tied)
    ids = torch.tensor([[5, 6, 7]])
    shares = whole(ids).logits[0, -1].softmax(-1)
    policy, tokenizer = load_policy(folder)
    count = max(tokenizer.get_vocab().values()) + 1  # transformers gives Qwen's one more
    assert shares[count:].sum() > 0.02  # they would have been
    assert policy.config.vocab_size == count
    # the distribution over the tokens that there are
    torch.testing.assert_close(policy(ids).logits[0, -1].softmax(-1), shares[:count] / shares[:count].sum())
    prompts = Prompts(ids, torch.ones_like(ids, dtype=torch.bool))
    drawn = sample_many(policy, prompts, 200, 4, generator=generator(0, "x"))
    assert drawn.ids.max() < count
    assert (policy.get_output_embeddings().weight is policy.get_input_embeddings().weight) == tied


def test_kl_is_that_over_the_tokens_that_there_are(padded):
    """By every token that may come next, of two models that are padded, one of them further."""
    (folder, whole, count), (_, other, _) = padded("llama"), padded("llama", seed=1)
    base, policy = load_policy(folder)[0], load_policy(str(folder).replace("-0", "-1"))[0]
    ids = torch.tensor([[5, 6, 7]])
    prompts = Prompts(ids, torch.ones_like(ids, dtype=torch.bool))
    drawn = sample_many(policy, prompts, 1, 1, generator=generator(0, "x"))
    of_base, of_policy = (model(ids).logits[0, -1, :count].log_softmax(-1) for model in (whole, other))
    expected = (of_policy.exp() * (of_policy - of_base)).sum()
    assert sample_kl(policy, base, drawn).exact.item() == pytest.approx(expected.item(), abs=1e-4)


def test_rows_without_a_token_among_the_others_are_refused(saved):
    folder = saved("llama")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    model.resize_token_embeddings(len(tokenizer) + 3)
    model.save_pretrained(
        folder
    )  # two tokens, two special ones that transformers adds, one behind the others
    holes = {"version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": None}
    holes |= {"post_processor": None, "decoder": None, "truncation": None, "padding": None}
    vocabulary = {"<eos>": 0, "a": 1, "b": len(tokenizer)}
    model_fields = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "a"}
    edit_json(folder, "tokenizer.json", **holes, model=model_fields)
    with pytest.raises(
        UserError, match=r"found 296 embedding rows without a token among the others, the first 2"
    ):
        load_policy(folder)


def test_models_that_somebody_else_loaded_are_not_left_with_such_rows(padded):
    folder, whole, count = padded("gpt2")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with pytest.raises(
        UserError, match=f"policy mine: found {count + 8} embedding rows, expected at most {count}"
    ):
        refuse_other_rows(whole, tokenizer, "mine")
    refuse_other_rows(load_policy(folder)[0], tokenizer, "mine")


@pytest.fixture
def two_ends(saved):
    """A model whose completions end with its tokenizer's end of sequence, or with the end of a turn; both likely."""

    def make(name="llama", turn=TURN, **more):
        folder = saved(name, **more)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.add_tokens([AddedToken(turn, special=True)])
        tokenizer.save_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
        model.resize_token_embeddings(len(tokenizer))
        ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(turn)]
        with torch.no_grad():
            likely = model(torch.tensor([tokenizer("The film")["input_ids"]])).logits[0, -1].topk(2).indices
            rows = model.get_output_embeddings().weight
            rows[ends] = 1.05 * rows[likely]
        model.generation_config.eos_token_id = ends[::-1]
        model.save_pretrained(folder)
        return folder, ends

    return make


@pytest.mark.parametrize("name", CONFIGS)
def test_every_end_ends_a_completion(name, two_ends):
    folder, ends = two_ends(name)
    policy, tokenizer = load_policy(folder)
    assert policy.config.eos_token_id == ends
    prompts = encode(["The film", "It was a slow"], tokenizer, most=40)
    drawn = sample_many(policy, prompts, 150, 6, generator=generator(0, "x"))
    last = drawn.ids.gather(1, drawn.lengths[:, None] - 1)[:, 0]
    assert all((last == end).sum() > 3 for end in ends)
    before = drawn.mask & (torch.arange(6) < drawn.lengths[:, None] - 1)
    assert not torch.isin(drawn.ids[before], torch.tensor(ends)).any()
    short = drawn.lengths < 6
    assert torch.isin(last[short], torch.tensor(ends)).all()
    assert (drawn.ids[~drawn.mask] == tokenizer.pad_token_id).all()
    # with one end alone, the same random numbers go on behind the other
    policy.config.eos_token_id = ends[0]
    longer = sample_many(policy, prompts, 150, 6, generator=generator(0, "x"))
    at_turn = (last == ends[1]) & short
    assert (longer.lengths[at_turn] > drawn.lengths[at_turn]).all()
    assert torch.equal(longer.ids[~at_turn], drawn.ids[~at_turn])


def test_completions_with_several_ends_come_as_often_as_the_model_says(small_vocabulary, all_completions):
    """Every completion of up to 2 tokens over 5 tokens, where 2 and 4 end one."""
    model, uniforms = small_vocabulary(0), torch.rand(4000, 2, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[1, 3]]).expand(4000, -1)
    prompts = Prompts(ids, torch.ones_like(ids, dtype=torch.bool))
    drawn, log_probs = sample(model, prompts, uniforms, eos=[2, 4], pad=0)
    every = all_completions([1, 3], 5, 2)
    over = every.ids[:, 0] == 4  # one that ends at its first token: the same for whatever would follow
    every = replace(every, mask=every.mask & ~(over[:, None] & (torch.arange(2) == 1)))
    said = token_log_probs(model, every).sum(1).detach()
    rows = {
        tuple(row[inside].tolist()): p.exp().item()
        for row, inside, p in zip(every.ids, every.mask, said, strict=True)
    }
    assert sum(rows.values()) == pytest.approx(1, abs=1e-5)
    found = [tuple(row[inside].tolist()) for row, inside in zip(drawn.ids, drawn.mask, strict=True)]
    assert set(found) <= set(rows)
    for row, share in rows.items():
        assert found.count(row) / 4000 == pytest.approx(share, abs=4 * (share / 4000) ** 0.5 + 1e-3)
    assert log_probs.sum(1)[:5].exp().tolist() == pytest.approx([rows[row] for row in found[:5]], abs=1e-5)


def test_ends_are_those_of_tokenizer_and_generation_configuration(saved, two_ends):
    folder, ends = two_ends()
    model, tokenizer = load_policy(folder)
    assert ends_of(model, tokenizer, "m") == ends
    model.generation_config.eos_token_id = ends[1]
    assert ends_of(model, tokenizer, "m") == ends
    for one in (None, ends[0], [ends[0]], 50256):  # one without a token is never drawn
        model.generation_config.eos_token_id = one
        assert ends_of(model, tokenizer, "m") == ends[:1]
    edit_json(folder, "generation_config.json", eos_token_id=[ends[0], 17])
    with pytest.raises(
        UserError, match=r"found '.+', an ordinary token, as an end of completions \(17 in eos"
    ):
        load_policy(folder)
    edit_json(folder, "tokenizer_config.json", eos_token=None)
    with pytest.raises(UserError, match="found a tokenizer without an end of sequence, expected one with"):
        load_policy(folder)


def test_one_end_for_whoever_knows_one(all_completions):
    every = all_completions([1, 3], 5, 3, eos=4)
    found = with_one_end(every, [2, 4], 2)
    assert found.lengths.tolist() == every.lengths.tolist()
    for before, after, length in zip(
        every.ids.tolist(), found.ids.tolist(), every.lengths.tolist(), strict=True
    ):
        assert after[: length - 1] == before[: length - 1]  # within a completion nothing changes
        assert after[length - 1] == (2 if before[length - 1] in (2, 4) else before[length - 1])
        assert after[length:] == before[length:]
