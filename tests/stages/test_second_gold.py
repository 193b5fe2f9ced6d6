"""A second gold beside the first, at the sizes of `smoke`: tables have its reward, on a scale of its own."""

import os
import shutil

import pytest
from smoke_fixtures import compute_with_parents

from overopt.analysis.curves import read
from overopt.engine.store import Store
from overopt.models.build import load_tokenizer
from overopt.models.samples import Samples
from overopt.plan.study_plan import plan
from overopt.rewards.gold import load_gold, views_of
from overopt.stages.pool import VIEWS, pooled, scaled_gold
from overopt.study.study import load_study, parse_study

pytestmark = pytest.mark.xdist_group("smoke")

FIELDS = load_study("smoke").model_dump(mode="json")
STUDY = parse_study(FIELDS | {"gold": FIELDS["gold"] | {"second": True}})
STAGES = {stage.title: stage for stage in plan(STUDY).stages}
OF = "1k, 640 pairs, seed 0"


@pytest.fixture(scope="module")
def store(smoke_store, tmp_path_factory):
    root = tmp_path_factory.mktemp("second") / "store"
    shutil.copytree(smoke_store, root, copy_function=os.link)
    store = Store(root)
    compute_with_parents(store, STAGES[f"best-of-n {OF}"], STAGES[f"PPO {OF}"])
    return store


def test_the_pool_has_its_reward_and_not_what_it_is_made_of(store):
    views = pooled(store.path(STAGES["pool"]), "evaluation")
    assert set(views) == {*VIEWS, "gold_second"}
    second = views["gold_second"].double()
    assert (second.mean().item(), second.std().item()) == pytest.approx((0, 1), abs=1e-3)
    # most samples of so small a policy repeat themselves: they are at the floor
    assert len(second.unique()) > 50

    folder = store.path(STAGES["pool"])
    gold = load_gold(
        store.path(STAGES["second gold reward model"]), load_tokenizer(store.path(STAGES["tokenizer"])), "cpu"
    )
    some = Samples.load(folder / "evaluation.safetensors")[:32]
    said = scaled_gold(folder, "second_gold", gold)(some, batch=8)
    assert set(said) == {"gold"}
    assert said["gold"].tolist() == pytest.approx(views["gold_second"][:32].tolist(), abs=1e-4)
    assert said["gold"].tolist() != pytest.approx(views_of(gold, some, batch=8)["gate"].tolist(), abs=0.1)


@pytest.mark.parametrize("method", ["best-of-n", "PPO"])
def test_curves_begin_where_its_scale_does(store, method):
    """The base policy is at 0 for every gold."""
    curve = read(store.path(STAGES[f"{method} {OF}"]) / "curve.parquet")
    start = curve.filter(curve["kl"] == curve["kl"].min())
    assert start["gold"][0] == pytest.approx(0, abs=0.5)
    assert start["gold_second"][0] == pytest.approx(0, abs=0.5)
    # a gate, which is no reward, had its place
    assert (curve["gold_second"] - curve["gate"]).abs().max() > 0.2
    assert (curve["gold_second_se"] > 0).all()
