"""Gold in use: text to tokens of its own, and a rating that counts as far as the text is one."""

import pytest
import torch
from conftest import TEXTS

from overopt.models.build import new_language_model, new_reward_model, train_tokenizer
from overopt.models.samples import encode_prompts
from overopt.models.sampling import sample_many
from overopt.rewards.reviews_gold import FLOOR, RARELY, SHARPNESS, GoldModel
from overopt.rewards.scoring import score_all
from overopt.study.parts import Shape

READS = 8


def rows_of(tokenizer):
    return [[1, *tokenizer(text, add_special_tokens=False)["input_ids"]] for text in TEXTS]


@pytest.fixture(scope="session")
def own():
    return train_tokenizer(TEXTS, 280, lowercase=True)


@pytest.fixture
def gold(tokenizer, own, sharpen):
    def reward_model(reads, seed):
        return sharpen(
            new_reward_model(new_language_model(Shape(layers=1, width=16, heads=2), reads, 32, seed), 0)
        )

    return GoldModel.calibrated(
        (reward_model(own, 0), reward_model(own, 2)),
        own,
        (reward_model(tokenizer, 1), reward_model(tokenizer, 3)),
        tokenizer,
        READS,
        rows_of(tokenizer),
    )


def test_a_rating_counts_as_far_as_the_text_is_one(gold):
    rating = torch.tensor([3.0, 3.0, 3.0, gold.floor])
    fluency = torch.tensor([0.0, 50.0, -50.0, 0.3])
    got = gold.gated(rating, fluency)
    assert got.tolist() == pytest.approx([(3 + gold.floor) / 2, 3, gold.floor, gold.floor], abs=1e-5)
    step = gold.gated(torch.ones(1), torch.tensor([1.0])) - gold.floor
    assert step.item() == pytest.approx((1 - gold.floor) / (1 + 2.718281828**-SHARPNESS), rel=1e-5)


def test_the_mean_of_the_rating_models_counts(gold, own):
    whole = [row[:32] for row in rows_of(own)]
    first, second = (score_all(model, whole) for model in gold.ratings)
    assert (first - second).abs().max() > 0.1
    torch.testing.assert_close(gold.rated(rows_of(gold.policy_tokenizer)), (first + second) / 2)


def test_doubt_and_floor_are_quantiles(gold, tokenizer):
    rows = rows_of(tokenizer)
    starts = [row[:READS] for row in rows]
    expected = [score_all(model, starts).double().quantile(RARELY).item() for model in gold.fluency]
    assert list(gold.doubts) == pytest.approx(expected, abs=1e-4)
    assert gold.floor == pytest.approx(gold.rated(rows).double().quantile(FLOOR).item(), abs=1e-4)


def test_the_fluency_model_that_likes_a_text_least_decides(gold, tokenizer):
    rows = [row[:READS] for row in rows_of(tokenizer)]
    above = torch.stack(
        [score_all(model, rows) - doubt for model, doubt in zip(gold.fluency, gold.doubts, strict=True)]
    )
    least = gold.fluent(rows)
    assert {0, 1} == set(above.argmin(0).tolist())  # either is the stricter of some text
    torch.testing.assert_close(least, torch.minimum(*above))
    alone = [gold.gated(gold.rated(rows), one) for one in above]
    good = gold.rated(rows) > gold.floor
    assert (gold.score_rows(rows) <= torch.minimum(*alone) + 1e-6)[good].all()


def test_scores_do_not_depend_on_the_batch_and_survive_saving(gold, tokenizer, language_model, tmp_path):
    prompts = encode_prompts(["The film", "It was", "A slow start and a"], tokenizer)
    samples = sample_many(language_model, prompts, 5, 10, generator=torch.Generator().manual_seed(0))
    scores = gold.score(samples, batch=64)
    assert scores.std() > 0.01
    torch.testing.assert_close(gold.score(samples, batch=2), scores, atol=1e-5, rtol=0)
    gold.save(tmp_path)
    again = GoldModel.load(tmp_path, tokenizer, "cpu").score(samples, batch=64)
    torch.testing.assert_close(again, scores, atol=1e-6, rtol=0)


def test_fluency_models_read_no_more_than_a_sample(gold, tokenizer):
    row = [1, *tokenizer(TEXTS[0], add_special_tokens=False)["input_ids"]]
    changed = [*row[: gold.reads], *reversed(row[gold.reads :])]
    assert len(row) > gold.reads + 1
    fluency = gold.fluent([row[: gold.reads]]).expand(2)
    torch.testing.assert_close(
        gold.score_rows([row, changed]), gold.gated(gold.rated([row, changed]), fluency)
    )
