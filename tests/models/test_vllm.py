"""The contract with vLLM, kept by an engine that draws with one of our models."""

import sys
from types import SimpleNamespace

import pytest
import torch
from fake_vllm import FakeEngine, fake_vllm  # noqa: F401

from overopt.models.log_probs import token_log_probs
from overopt.models.pretrained import encode, load_policy
from overopt.models.vllm import load_engine, sample_with_vllm
from overopt.util.errors import UserError


@pytest.fixture
def policy(saved):
    return load_policy(saved("llama"))


def draw(engine, prompts, tokenizer, per_prompt=20, tokens=6):
    ends = {"eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}
    return sample_with_vllm(engine, prompts, per_prompt, tokens, seed=3, **ends)


@pytest.mark.parametrize("keep_eos", [True, False])
def test_what_the_engine_drew_is_what_we_hold(policy, vllm, keep_eos):
    model, tokenizer = policy
    with torch.no_grad():  # so that some completions end
        model.get_output_embeddings().weight[tokenizer.eos_token_id] *= 3
    prompts = encode(["The film", "It was a slow start"], tokenizer, most=40)
    engine = FakeEngine(model, tokenizer, keep_eos)
    samples = draw(engine, prompts, tokenizer)
    assert [ids for ids, _ in engine.asked] == [
        row[inside].tolist() for row, inside in zip(prompts.ids, prompts.mask, strict=True)
    ]
    assert len({params.seed for _, params in engine.asked}) == 2
    for _, params in engine.asked:
        assert (params.temperature, params.top_p, params.top_k, params.repetition_penalty) == (
            1.0,
            1.0,
            -1,
            1.0,
        )
    assert len(samples) == 40
    assert torch.equal(samples.prompts.ids[:20], prompts.ids[:1].expand(20, -1))
    ended = (samples.ids == tokenizer.eos_token_id) & samples.mask
    assert 0 < ended.any(1).sum() < 40
    # EOS is the last token of a completion, and padding is outside of it
    last = samples.lengths - 1
    assert (ended.float().argmax(1)[ended.any(1)] == last[ended.any(1)]).all()
    assert (samples.lengths[~ended.any(1)] == 6).all()
    # what is computed on them is computed by us
    assert (token_log_probs(model, samples)[samples.mask] < 0).all()


def test_completions_end_with_any_of_several_ends(policy, vllm):
    """An engine that leaves the end out says which it was, unless it was the usual one."""
    eos, other, rest = 2, 7, [11, 12, 13]

    class Scripted:
        def generate(self, prompts, sampling_params, use_tqdm):
            (self.told,) = sampling_params
            outputs = [
                SimpleNamespace(token_ids=(*rest, other), finish_reason="stop", stop_reason=other),
                SimpleNamespace(token_ids=tuple(rest), finish_reason="stop", stop_reason=other),
                SimpleNamespace(token_ids=tuple(rest), finish_reason="stop", stop_reason=None),
                SimpleNamespace(token_ids=(), finish_reason="stop", stop_reason=None),
                SimpleNamespace(token_ids=(*rest, 14), finish_reason="length", stop_reason=None),
            ]
            return [SimpleNamespace(outputs=outputs)]

    engine, prompts = Scripted(), encode(["The film"], policy[1], most=40)
    samples = sample_with_vllm(engine, prompts, 5, 4, seed=0, eos=[eos, other], pad=0)
    rows = [row[inside].tolist() for row, inside in zip(samples.ids, samples.mask, strict=True)]
    assert rows == [[*rest, other], [*rest, other], [*rest, eos], [eos], [*rest, 14]]
    assert engine.told.stop_token_ids == [eos, other]


def test_an_engine_that_answers_otherwise_is_refused(policy, vllm):
    model, tokenizer = policy
    prompts = encode(["The film", "It was"], tokenizer, most=40)

    class Short(FakeEngine):
        def generate(self, *args, **kwargs):
            return super().generate(*args, **kwargs)[:1]

    class Long(FakeEngine):
        def generate(self, *args, **kwargs):
            answers = super().generate(*args, **kwargs)
            answers[0].outputs[0].token_ids = tuple(range(3, 12))
            return answers

    with pytest.raises(UserError, match="found 20 completions, expected 20 of each of 2 prompts"):
        draw(Short(model, tokenizer), prompts, tokenizer)
    with pytest.raises(UserError, match="completions of up to 9 tokens, expected 1 to 6"):
        draw(Long(model, tokenizer), prompts, tokenizer)


def test_without_vllm_the_study_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UserError, match=r"expected `pip install overopt\[vllm\]`"):
        load_engine(tmp_path)
