"""Prices, counted again by hand for the smallest study, and beside what runs of it took."""

import pytest

from overopt.engine.store import Store
from overopt.plan.costs import LIBRARIES, Size, drawn, judges, kept, learnt, size
from overopt.plan.looks import recorded_texts
from overopt.plan.prices import HEADER, price, price_rows, price_table, prices
from overopt.plan.study_plan import plan
from overopt.study.parts import Shape
from overopt.study.study import load_study

SMOKE_STUDY = load_study("smoke")
SMOKE = plan(SMOKE_STUDY)
STAGES = {stage.title: stage for stage in SMOKE.stages}
SEVEN = Size(Shape(layers=1, width=24, heads=2).parameters, 1, 24, 2000)


def test_the_size_of_what_a_stage_makes():
    assert size(STAGES["language model 7k"]) == SEVEN
    assert size(STAGES["proxy 7k, 640 pairs, seed 0"]) == SEVEN
    assert SEVEN.weights == SEVEN.body + 2000 * 24
    rating, real, language = judges(STAGES["gold reward model"])
    assert rating == Size(SMOKE_STUDY.gold.rating.shape.parameters, 1, 32, SMOKE_STUDY.gold.rating.vocabulary)
    assert real == language == size(STAGES["language model judge"])


def test_a_cut_model_has_the_width_and_vocabulary_of_its_source():
    stages = {stage.title: stage for stage in plan(load_study("pretrained-cpu")).stages}
    assert size(stages["language model first-2"]) == Size(7_080_768, 2, 576, 49_152)
    assert size(stages["language model scratch-100k"]) == Size(98_752, 2, 64, 49_152)
    assert judges(stages["gold reward model"]) == [Size(35_401_536, 10, 576, 49_152)]


def test_samples_and_tokens_are_those_of_the_study():
    drawn_for_pairs = price(STAGES["labelled pairs"], 256)
    assert drawn_for_pairs.samples == 1600  # 800 pairs
    # drawn: 12 tokens each; read by three models of gold: 14 + 12 tokens each
    assert drawn_for_pairs.tokens == 1600 * 12 + 3 * 1600 * 26
    learnt_from = price(STAGES["proxy 7k, 640 pairs, seed 0"], 256)
    assert (learnt_from.samples, learnt_from.tokens) == (0, 640 * 2 * 26)
    assert learnt_from.rest == 6 * SEVEN.body * 640 * 2 * 26
    pool = sum(price(STAGES[f"evaluation samples, part {k}"], 256).samples for k in range(1))
    assert pool == 16 * 80


def test_the_halves_of_gold_cost_what_it_reads_of_every_recorded_text():
    halves = STAGES["halves of gold"]
    best, runs = (
        [stage for stage in halves.parents.values() if stage.name == name] for name in ("best_of_n", "ppo")
    )
    assert {recorded_texts(stage) for stage in best} == {2 * 7}  # 2 prompts, n of 1 to 64
    looks = {stage.title: recorded_texts(stage) / 2 for stage in runs}
    assert looks["PPO 1k, 640 pairs, seed 0"] == 1 + 8 + 8 / 2
    assert looks["PPO 1k, 320 pairs, seed 0, round 1 of 2"] == pytest.approx(1 + 0.3 / 0.15 + 8 / 2)
    texts = 14 * len(best) + 2 * sum(looks.values())
    assert price(halves, 256).tokens == pytest.approx(3 * texts * 26)  # three models of gold, 14 + 12 tokens
    assert price(halves, 256).samples == 0


def test_a_prompt_that_completions_share_is_read_once():
    alone, together = (drawn(SEVEN, 64, 10, 5, 64, of_prompt=n).drawing for n in (1, 64))
    assert alone - together == pytest.approx(2 * SEVEN.body * 10 * 63)


def test_memory_grows_with_what_is_held():
    small, large = (drawn(SEVEN, 10_000, 10, 5, batch).memory for batch in (1, 256))
    rows = 255 * (15 * 2 * 24 + 3 * 2000) * 4
    assert large - small == pytest.approx(rows)
    assert learnt(SEVEN, 100, 20, 8).memory - LIBRARIES == 16 * SEVEN.weights + 68 * 8 * 20 * 24
    adapters = learnt(SEVEN, 100, 20, 8, share=0.0).memory
    assert learnt(SEVEN, 100, 20, 8).memory - adapters == 12 * SEVEN.weights
    assert kept(1000, 20) == 4 * 8 * 20_000


def test_every_stage_that_runs_a_model_has_a_price():
    free = {"corpus", "tokenizer", "word_vectors", "gated_gold", "recipe", "gold_frontier"}
    found = prices(SMOKE, 256)
    assert {name for name, (_, price) in found.items() if not price.tokens} == free | {"ppo_sweep", "tables"}


def test_the_table_adds_up_and_scales_with_speed(tmp_path):
    lines = price_table(SMOKE, Store(tmp_path), batch=256, tflops=0.05, drawing_tflops=0.02)
    counts = [line.split()[1:6] for line in lines[1:-1]]
    numbers = [[float(cell.replace(",", "")) for cell in cells[:3]] for cells in counts]
    for column in range(3):
        assert sum(row[column] for row in numbers[:-1]) == pytest.approx(
            numbers[-1][column], abs=len(numbers)
        )
    assert lines[-2].split()[-1] == "-"  # nothing of it is measured
    bare = price_rows(SMOKE, batch=256, tflops=0.05, drawing_tflops=0.02)
    assert "measured" in lines[0]
    assert {len(row) for row in bare} == {len(HEADER)}
    slow = price_table(SMOKE, Store(tmp_path), batch=256, tflops=0.00005, drawing_tflops=0.00002)
    assert float(slow[-2].split()[5].replace(",", "")) > 500 * float(
        lines[-2].split()[5].replace(",", "") or 1
    )
