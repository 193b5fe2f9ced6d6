"""Predictions in a study, at the sizes of `smoke`: what they know, what they say, and beside what came."""

import hashlib
import os
import shutil
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from safetensors.torch import load_file

from overopt.analysis import pool_predictions, results
from overopt.analysis.evidence import Evidence
from overopt.engine.runner import make_runtime
from overopt.engine.store import Store
from overopt.estimators.pool_prediction import predict_best_of_n, predict_rl
from overopt.models.samples import Samples
from overopt.plan.prices import price
from overopt.plan.study_plan import plan
from overopt.rewards.joined import load_proxy
from overopt.study.study import load_study, parse_study
from overopt.util.errors import UserError
from overopt.util.files import read_json

GRID = {"models": ["7k"], "pairs": [640], "seeds": 1}
FIELDS = load_study("smoke").model_dump(mode="json")
SMOKE = plan(load_study("smoke"))
STUDY = parse_study(FIELDS | {"predictions": {"grid": GRID, "samples": 64, "max_n": 4096}})
STAGES = {stage.title: stage for stage in plan(STUDY).stages}
OF = "7k, 640 pairs, seed 0"


def test_it_adds_its_stage_and_changes_none():
    assert set(STAGES) - {stage.title for stage in SMOKE.stages} == {f"prediction {OF}"}
    for stage in SMOKE.stages:
        assert (STAGES[stage.title].key == stage.key) == (stage.title != "tables")


def test_it_has_pool_and_proxy_alone_so_that_it_cannot_know_a_run():
    stage = STAGES[f"prediction {OF}"]
    assert {role: parent.title for role, parent in stage.parents.items()} == {
        "pool": "pool",
        "proxy": f"proxy {OF}",
    }
    seen, todo = set(), list(stage.parents.values())
    while todo:
        above = todo.pop()
        seen.add(above.name)
        todo += above.parents.values()
    assert not {"best_of_n", "ppo", "rloo", "direct", "gold_frontier"} & seen


def test_it_costs_what_the_proxy_reads():
    found, curve = (price(STAGES[f"{what} {OF}"], 256) for what in ("prediction", "best-of-n"))
    assert 0 < found.tokens <= curve.tokens


def test_more_samples_than_there_are_are_refused():
    with pytest.raises(
        (UserError, ValueError), match=r"predictions.samples: found 81, expected at most the 80"
    ):
        parse_study(FIELDS | {"predictions": {"grid": GRID, "samples": 81, "max_n": 64}})


def test_fewer_samples_than_carry_a_law_of_reinforcement_learning_are_refused():
    for samples, enough in ((16, False), (47, False), (48, True)):
        told = {"grid": GRID, "samples": samples, "max_n": 64}
        with nullcontext() if enough else pytest.raises(ValueError, match="greater than or equal to 48"):
            parse_study(FIELDS | {"predictions": told})


@pytest.mark.parametrize(("samples", "status"), [(32, None), (40, "underdetermined"), (48, "peak_outside")])
def test_so_few_are_too_few(samples, status):
    """A law of three points within a tenth of a nat is none."""
    rng = np.random.default_rng(0)
    proxy = rng.standard_normal((256, samples))
    gold = 0.5 * proxy - 0.15 * proxy**2 + rng.standard_normal(proxy.shape)
    found = predict_rl(proxy, gold, rng=rng, draws=10)
    assert (found and found.law.fit.status) == status


@pytest.fixture(scope="module")
def store(smoke_store, tmp_path_factory):
    """The study `smoke` with its prediction; what was there is shared with the store that it comes from."""
    root = tmp_path_factory.mktemp("predictions") / "store"
    shutil.copytree(smoke_store, root, copy_function=os.link)
    made, runtime = Store(root), replace(make_runtime("cpu", workers=1), store=root)
    for title in (f"prediction {OF}", "tables"):
        made.compute(STAGES[title], runtime)
    return made


@pytest.mark.xdist_group("smoke")
def test_it_is_the_estimator_on_the_first_samples_of_each_prompt(store):
    told = read_json(store.path(STAGES[f"prediction {OF}"]) / "prediction.json")
    assert (told["samples"], told["rm_params"], told["pairs"], told["seed"]) == (16 * 64, 7296, 640, 0)
    pool = store.path(STAGES["pool"])
    judge = load_proxy(store.path(STAGES[f"proxy {OF}"]))
    scores = judge.score(Samples.load(pool / "evaluation.safetensors"), batch=64)
    golds = load_file(pool / "gold.safetensors")["evaluation"]
    proxy, gold = (values.double().numpy().reshape(16, 80)[:, :64] for values in (scores, golds))
    expected = predict_best_of_n(proxy, gold, max_n=4096, rng=np.random.default_rng(0), draws=10)
    points = told["bon"]["points"]
    assert len(points) == 13  # to n = 4,096, of 64 samples a prompt
    assert [point["gold"] for point in points] == pytest.approx(expected.gold.tolist(), abs=1e-3)
    assert told["bon"]["alpha"] == pytest.approx(expected.law.fit.alpha, abs=1e-2)
    assert max(point["gold"] for point in points) > 0.05


@pytest.mark.xdist_group("smoke")
def test_the_tables_keep_it_with_its_sha256_and_pages_set_it_beside_what_came(store):
    found = results.read(store.path(STAGES["tables"]), STUDY)
    file = store.path(STAGES[f"prediction {OF}"]) / "prediction.json"
    (told,) = found.predictions
    assert told["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert told["record"] == STAGES[f"prediction {OF}"].key
    table = pool_predictions.compared(Evidence(found))
    assert table.filter(method="bon")["coefficient"].to_list() == list(pool_predictions.COEFFICIENTS)
    alpha = table.row(
        by_predicate=(pl.col("method") == "bon") & (pl.col("coefficient") == "alpha"), named=True
    )
    assert alpha["error"] == pytest.approx(alpha["came"] - alpha["predicted"])
    overlap = alpha["predicted_low"] <= alpha["came_high"] and alpha["came_low"] <= alpha["predicted_high"]
    assert alpha["within"] == overlap


@pytest.mark.xdist_group("smoke")
def test_predictions_of_proxies_of_turned_labels_stand_beside_their_own_curves(store):
    found = results.read(store.path(STAGES["tables"]), STUDY)
    turned = [told | {"label_noise": 0.25} for told in found.predictions]
    noisy = found.curves.filter(label_noise=0.0).with_columns(label_noise=pl.lit(0.25))
    both = pl.concat([found.curves.filter(label_noise=0.0).with_columns(pl.col("gold") + 9), noisy])
    of = [
        Evidence(replace(found, predictions=predictions, curves=curves))
        for predictions, curves in ((found.predictions, found.curves), (turned, both))
    ]
    plain, shifted = map(pool_predictions.compared, of)
    assert shifted["label_noise"].unique().to_list() == [0.25]
    assert shifted.drop("label_noise").equals(plain.drop("label_noise"))


def test_errors_as_a_whole():
    errors, within = [3.0, -4.0, None], [True, False, True]
    rows = pl.DataFrame({"method": "ppo", "coefficient": "beta", "error": errors, "within": within})
    (found,) = pool_predictions.summary(rows).to_dicts()
    assert (found["predictions"], found["known"], found["error"]) == (3, 2, -0.5)
    assert found["size"] == pytest.approx(12.5**0.5)
    assert found["within"] == pytest.approx(2 / 3)


@pytest.mark.xdist_group("smoke")
def test_a_study_that_predicts_nothing_has_none(smoke_store):
    folder = Store(smoke_store).path(SMOKE.tables)
    assert not (folder / "predictions.json").exists()
    assert pool_predictions.compared(Evidence(results.read(folder, load_study("smoke")))).is_empty()
