"""Both halves of gold beside recorded texts: told where gold asked again agrees, and what the pool knows of them."""

import polars as pl
import pytest
import torch

from overopt.analysis import results
from overopt.engine.store import Store
from overopt.models.build import load_tokenizer
from overopt.models.samples import Samples, decode, encode_prompts
from overopt.plan.looks import recorded_texts, records_texts
from overopt.plan.study_plan import plan
from overopt.rewards.gold import load_gold
from overopt.stages.halves import HALVES, PLACE, TOLERANCE, rewritten, told, with_halves
from overopt.stages.pool import pooled, scaled_gold
from overopt.study.study import load_study

SMOKE = load_study("smoke")
STAGES = {stage.title: stage for stage in plan(SMOKE).stages}


def recorded(golds):
    """Texts of two runs, which wrote the same words."""
    rows = [
        {"record": record, "n": n, "step": None, "prompt_text": "It", "completion": f" was {n}", "gold": gold}
        for record, of in golds.items() for n, gold in of.items()
    ]  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"step": pl.Int64, "n": pl.Int64})


SAID = pl.DataFrame(
    {"prompt_text": "It", "completion": [" was 1", " was 2"], "gold": [0.5, 1.0], "rating": [0.6, 1.2]}
).with_columns(gate=pl.Series([0.9, 0.8]))


def test_halves_are_told_where_gold_of_the_words_is_the_recorded_one():
    texts = recorded({"a": {1: 0.5, 2: 1.0 + TOLERANCE / 2}, "b": {2: 1.0 + 2 * TOLERANCE, 1: 0.5}})
    found = told(texts, SAID)
    assert found.columns == [*PLACE, "gold", *HALVES]
    assert found.select("record", "n", "gold", *HALVES).rows() == [
        ("a", 1, 0.5, 0.6, 0.9),
        ("a", 2, 1.0, 1.2, 0.8),
        ("b", 2, 1.0, None, None),
        ("b", 1, 0.5, 0.6, 0.9),
    ]


def test_the_table_of_texts_has_them_in_its_own_order():
    texts = recorded({"a": {1: 0.5, 2: 1.0}, "b": {1: 0.1}})
    joined = with_halves(texts, told(texts, SAID).reverse())
    assert joined.select(texts.columns).equals(texts)
    assert joined.select(HALVES).rows() == [(0.6, 0.9), (1.2, 0.8), (None, None)]
    other = with_halves(texts.with_columns(record=pl.lit("c")), told(texts, SAID))
    assert other["gate"].null_count() == other.height == 3


def test_words_become_the_tokens_that_they_were(tokenizer):
    """Where a policy writes as the tokenizer does: with EOS but at the limit, within a word, and without a word."""
    prompts, completions = ["The film", "It", "It"], [" was good.", "s end", ""]
    found = rewritten(prompts, completions, tokenizer, 40)
    assert decode(found.ids, tokenizer) == completions
    assert found.ended(tokenizer.eos_token_id).all()
    asked = encode_prompts(prompts, tokenizer)
    assert found.prompts.ids.equal(asked.ids)
    assert found.prompts.mask.equal(asked.mask)
    length = int(found.lengths[0])
    cut = rewritten(prompts, completions, tokenizer, length - 1)
    assert cut.lengths.tolist()[::2] == [length - 1, 1]
    assert cut.ended(tokenizer.eos_token_id).tolist()[::2] == [False, True]


@pytest.fixture
def store(smoke_store):
    return Store(smoke_store)


@pytest.fixture
def texts(store):
    return results.read(store.path(STAGES["tables"]), SMOKE).texts


@pytest.mark.xdist_group("smoke")
def test_nearly_all_texts_of_a_study_have_halves(store, texts):
    halves = pl.read_parquet(store.path(STAGES["halves of gold"]) / "halves.parquet")
    assert halves.select(PLACE).equals(texts.select(PLACE))
    agree = (halves["gold"] - texts["gold"]).abs() < TOLERANCE
    assert agree.mean() > 0.9  # 182 of 184
    assert texts["rating"].is_not_null().equals(agree)
    assert texts["gate"].is_not_null().equals(agree)
    assert texts["gate"].is_between(0, 1).sum() == agree.sum()
    counts = dict(texts.group_by("record").len().iter_rows())
    for stage in STAGES.values():
        assert (stage.key in counts) == records_texts(stage)
        assert counts.get(stage.key, 0) <= recorded_texts(stage)


@pytest.mark.xdist_group("smoke")
def test_the_halves_of_best_of_n_are_those_of_the_samples(store, texts):
    """The pool knows both of every sample, by the tokens that the policy wrote."""
    pool, tokenizer = store.path(STAGES["pool"]), load_tokenizer(store.path(STAGES["tokenizer"]))
    written = decode(Samples.load(pool / "show.safetensors").ids, tokenizer)
    prompts = [prompt for prompt in SMOKE.show_prompts for _ in range(SMOKE.best_of_n.samples)]
    known = pl.DataFrame({"prompt_text": prompts, "completion": written}).with_columns(
        pl.Series(f"of_{name}", values.tolist())
        for name, values in pooled(pool, "show").items()
        if name in ("gold", *HALVES)
    )
    best = texts.filter(pl.col("rating").is_not_null(), method="bon")
    both = best.join(known, on=["prompt_text", "completion"])
    both = both.filter((pl.col("gold") - pl.col("of_gold")).abs() < 1e-6)  # the same tokens
    assert both.height >= best.height > 0
    for half in HALVES:
        assert (both[half] - both[f"of_{half}"]).abs().max() < 1e-3


@pytest.mark.xdist_group("smoke")
def test_gold_is_made_of_its_halves(store, texts):
    """gate * rating + (1 - gate) * floor, on the scale of gold."""
    pool, tokenizer = store.path(STAGES["pool"]), load_tokenizer(store.path(STAGES["tokenizer"]))
    raw = load_gold(store.path(STAGES["gold reward model"]), tokenizer, "cpu")
    floor = scaled_gold(pool, "gold", raw).scales["gold"](torch.tensor([raw.floor])).item()
    known = texts.filter(pl.col("gate").is_not_null())
    made = known["gate"] * known["rating"] + (1 - known["gate"]) * floor
    assert (made - known["gold"]).abs().max() < 2 * TOLERANCE
