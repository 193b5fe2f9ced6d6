"""Gold of ratings and of two judges of language, strict as real text makes it."""

import copy
from dataclasses import replace
from itertools import product

import pytest
import torch
from conftest import TEXTS

from overopt.models.build import new_language_model, new_reward_model, train_tokenizer
from overopt.models.samples import split_rows
from overopt.rewards import gated_gold
from overopt.rewards import gold as golds
from overopt.rewards.gated_gold import (
    FLOOR,
    SLOPE,
    STRICTNESS,
    Gate,
    GatedGold,
    Judged,
    Likelihood,
    mean_log_prob,
)
from overopt.rewards.rating import Rating
from overopt.study.parts import Shape

DOUBTED = 0.1


def rows_of(tokenizer):
    ends = (tokenizer.eos_token_id,)
    texts = [f"{first} {second}" for first, second in product(TEXTS, TEXTS)]
    return [[1, *tokenizer(text, add_special_tokens=False)["input_ids"], *ends][:60] for text in texts]


@pytest.fixture
def samples(tokenizer):
    rows = rows_of(tokenizer)
    return split_rows(rows, [2 + k % 3 for k in range(len(rows))], tokenizer)


@pytest.fixture(scope="module")
def own():
    return train_tokenizer(TEXTS, 280, lowercase=True)


@pytest.fixture
def gold(tokenizer, own, sharpen, samples):
    def language_model(reads, seed):
        return sharpen(new_language_model(Shape(layers=1, width=16, heads=2), reads, 64, seed)).eval()

    def reward_model(reads, seed):
        return sharpen(new_reward_model(language_model(reads, seed), seed)).eval()

    return GatedGold.calibrated(
        Rating((reward_model(own, 0), reward_model(own, 1)), own),
        language_model(tokenizer, 2),
        reward_model(tokenizer, 3),
        tokenizer,
        sentences=samples,
        rated=rows_of(tokenizer),
        doubted=DOUBTED,
    )


def test_split_rows_are_prompts_and_completions(tokenizer):
    rows = rows_of(tokenizer)
    heads = [2 + k % 3 for k in range(len(rows))]
    made = split_rows(rows, heads, tokenizer)
    for row, head, prompt, inside, completion, mask in zip(
        rows, heads, made.prompts.ids, made.prompts.mask, made.ids, made.mask, strict=True
    ):
        assert prompt[inside].tolist() == row[:head]
        assert completion[mask].tolist() == row[head:]


def test_likelihood_is_the_mean_over_a_completion(tokenizer, gold, samples):
    language = gold.language.model
    found = mean_log_prob(language, samples)
    rows = rows_of(tokenizer)
    for k in (0, 5, len(rows) - 1):
        ids, head = torch.tensor([rows[k]]), 2 + k % 3
        with torch.inference_mode():
            log_probs = language(input_ids=ids).logits.log_softmax(-1)[0, :-1]
        of_tokens = log_probs.gather(1, ids[0, 1:, None])[head - 1 :, 0]
        assert found[k].item() == pytest.approx(of_tokens.mean().item(), abs=1e-5)
    torch.testing.assert_close(mean_log_prob(language, samples, batch=3), found)


def test_golds_share_a_language_model_where_theirs_is_the_same(tokenizer, gold, samples, monkeypatch):
    """One reading of the same samples serves both; other samples, or another model, are read."""
    read = []
    monkeypatch.setattr(
        gated_gold, "mean_log_prob", lambda *of, **how: read.append(of) or mean_log_prob(*of, **how)
    )
    same = replace(gold, language=Likelihood(copy.deepcopy(gold.language.model))).sharing(gold)
    fresh = samples[:20]
    first, second = (one.judged(fresh, batch=64) for one in (gold, same))
    assert len(read) == 1
    assert torch.equal(first.likelihood, second.likelihood)
    assert same.judged(samples[:5], batch=64).likelihood.shape == (5,)
    assert len(read) == 2

    changed = copy.deepcopy(gold.language.model)
    with torch.no_grad():
        next(changed.parameters()).flatten()[0] += 1e-3
    other = replace(gold, language=Likelihood(changed)).sharing(gold)
    assert other.language is not gold.language


def test_each_judge_doubts_as_much_real_text_as_it_should(gold, samples):
    judged = gold.judged(samples, batch=64)
    for name, times in STRICTNESS.items():
        gate = gold.gates[name]
        for values, half in ((judged.likelihood, gate.likelihood), (judged.real, gate.real)):
            share = (values < half).double().mean().item()
            assert share == pytest.approx(times * DOUBTED, abs=1.5 / len(samples))
    low = (judged.rating < gold.floor).double().mean().item()
    assert low == pytest.approx(FLOOR, abs=1.5 / len(samples))


def test_what_is_no_language_is_worth_the_floor_and_what_is_its_rating(gold):
    far = 100.0
    judged = Judged(
        rating=torch.tensor([3.0, 3.0, 3.0, 3.0, 3.0]),
        likelihood=torch.tensor([far, -far, far, gold.gates["gold"].likelihood, far]),
        real=torch.tensor([far, far, -far, far, far]),
        repeats=torch.tensor([False, False, False, False, True]),
    )
    expected = torch.tensor([3.0, gold.floor, gold.floor, (3.0 + gold.floor) / 2, gold.floor])
    torch.testing.assert_close(gold.gold(judged), expected)


def test_a_nat_above_the_gate_counts_as_the_slope_says():
    judged = Judged(torch.zeros(1), torch.tensor([-2.0]), torch.tensor([50.0]), torch.tensor([False]))
    passes = judged.passes(Gate(likelihood=-3.0, real=0.0))
    torch.testing.assert_close(passes, torch.sigmoid(torch.tensor([SLOPE])))


def test_gold_reads_prompt_and_completion_for_repetitions(gold, tokenizer):
    texts = [
        "The end of the film is good.",
        "The end of the film is the end of the film.",
        "It is good good.",
    ]
    rows = [
        [1, *tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id] for text in texts
    ]
    made = split_rows(rows, [3, 4, 2], tokenizer)
    assert gold.judged(made, batch=8).repeats.tolist() == [False, True, True]


def test_a_stricter_gold_passes_less(gold, samples):
    judged = gold.judged(samples, batch=64)
    lenient, usual, strict = (
        judged.passes(gold.gates[name]) for name in ("gold_lenient", "gold", "gold_strict")
    )
    assert (lenient >= usual).all()
    assert (usual >= strict).all()
    assert (lenient > strict).any()


def test_what_was_saved_judges_alike(gold, samples, tmp_path, tokenizer):
    gold.save(tmp_path)
    again = golds.load_gold(tmp_path, tokenizer, "cpu")
    assert again.gates == gold.gates
    torch.testing.assert_close(again.score(samples, batch=16), gold.score(samples, batch=64))


def test_views_are_on_scales_of_the_base_policy(gold, samples):
    raw = golds.views_of(gold, samples, batch=64)
    assert set(raw) == {"gold", "gold_lenient", "gold_strict", "rating", "gate"}
    scaled = golds.ScaledGold.on(raw, gold)(samples, batch=64)
    for name in STRICTNESS:
        assert scaled[name].double().mean().item() == pytest.approx(0, abs=1e-4)
        assert scaled[name].double().std().item() == pytest.approx(1, abs=1e-4)
    torch.testing.assert_close(scaled["gate"], raw["gate"])
    # where all pass, gold is its rating
    sure = raw["gate"] > 0.999
    torch.testing.assert_close(scaled["gold"][sure], scaled["rating"][sure], atol=0.02, rtol=0)
