"""Published stages: found by key, verified like a download, never used when damaged, left alone by a run from nothing."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from toy_stages import toy_stage

from overopt.engine import published, store
from overopt.engine.plan import Plan
from overopt.engine.published import PublishedStages
from overopt.engine.record import read_record, verify_result, write_record
from overopt.engine.stage import Runtime, Stage
from overopt.engine.status import study_status
from overopt.engine.store import Store
from overopt.models.build import load_language_model
from overopt.plan import stage_specs as specs
from overopt.plan.registry import KINDS, ONLY_COUNTED
from overopt.plan.study_plan import plan
from overopt.study.parts import Shape
from overopt.study.study import available, load_study
from overopt.util.errors import UserError
from overopt.util.paths import PACKAGE

CLEAN = {"commit": "a" * 40, "changed": False}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Stands for the folder of the package."""
    monkeypatch.setattr(published, "PUBLISHED", tmp_path / "published")
    monkeypatch.setattr(store, "git_state", lambda: CLEAN)
    monkeypatch.delenv(store.RECOMPUTE, raising=False)
    return tmp_path / "published"


@pytest.fixture
def made(root, tmp_path):
    """Computes a stage and what it needs in a store of its own, and publishes it alone."""

    def make(stage):
        runtime = Runtime(device="cpu", batch=8, workers=1, store=tmp_path / "made")

        def computed(stage):
            for parent in stage.parents.values():
                computed(parent)
            return Store(runtime.store).compute(stage, runtime)

        PublishedStages().publish({computed(stage): stage})
        return stage

    return make


def runs(tmp_path):
    return (tmp_path / "log").read_text().split()


def test_a_published_stage_is_found_by_its_key_and_needs_no_parents(made, root, runtime, tmp_path):
    stage = made(toy_stage(1, tmp_path / "log", parents={"first": toy_stage(10, tmp_path / "log")}))
    found = Store(runtime.store)
    assert found.problem(stage) is None
    assert found.is_published(stage)
    assert found.path(stage) == root / "toy" / stage.key[:24]
    assert found.problem(stage.parents["first"]) == "missing"
    child = toy_stage(100, tmp_path / "log", parents={"published": stage})
    assert (found.compute(child, runtime) / "number.txt").read_text() == "111"
    assert found.compute(stage, runtime) == found.path(stage)
    assert not found.is_published(child)
    assert runs(tmp_path) == ["10", "1", "100"]  # the last alone in this store
    assert [path.name for path in (runtime.store / "toy").iterdir() if path.is_dir()] == [child.key[:24]]


def test_one_changed_field_is_another_stage(made, runtime, tmp_path):
    made(toy_stage(1, tmp_path / "log", rate=0.1))
    assert Store(runtime.store).problem(toy_stage(1, tmp_path / "log", rate=0.1)) is None
    assert Store(runtime.store).problem(toy_stage(1, tmp_path / "log", rate=0.2)) == "missing"


def change_a_file(folder, manifest):
    (folder / "number.txt").write_text("7")


def exchange(folder, manifest):
    """Another result under the same key, with a record that verifies by itself."""
    record = read_record(folder)
    (folder / "number.txt").write_text("7")
    (folder / "record.json").unlink()
    write_record(folder, {name: value for name, value in record.items() if name not in ("files", "sha256")})
    assert verify_result(folder, folder.name) is None


def move(folder, manifest):
    """The folder of another stage, and its line of the manifest as well."""
    record = read_record(folder)
    record["spec"]["number"] = 7
    (folder / "record.json").unlink()
    write_record(folder, {name: value for name, value in record.items() if name not in ("files", "sha256")})


def delete_the_folder(folder, manifest):
    shutil.rmtree(folder)


def delete_the_line(folder, manifest):
    manifest.write_text("{}")


def delete_the_manifest(folder, manifest):
    manifest.unlink()


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (change_a_file, "number.txt: found another SHA-256 than its record states"),
        (exchange, "record.json: found another record than the one that manifest.json names"),
        (move, "record.json: found the record of another result"),
        (delete_the_folder, ": missing, though manifest.json names it"),
        (delete_the_line, ": found no line of it in manifest.json, expected the SHA-256 of its record"),
        (delete_the_manifest, ": found no line of it in manifest.json, expected the SHA-256 of its record"),
    ],
)
def test_damage_is_named_and_the_stage_computed(made, root, runtime, tmp_path, damage, named):
    stage = made(toy_stage(3, tmp_path / "log"))
    folder = root / "toy" / stage.key[:24]
    assert PublishedStages().damaged() == []
    damage(folder, root / "manifest.json")
    found = Store(runtime.store)
    problem = found.problem(stage)
    assert problem.startswith(str(folder))
    assert problem.endswith(named)
    assert "\n" not in problem
    assert len(PublishedStages().damaged()) == 1
    with pytest.raises(UserError, match=r"^result 'toy 3': .* expected a result that verifies$"):
        found.path(stage)
    assert found.compute(stage, runtime) == runtime.store / "toy" / folder.name
    assert (found.path(stage) / "number.txt").read_text() == "3"
    assert runs(tmp_path) == ["3", "3"]
    assert not Store(runtime.store).is_published(stage)
    assert Store(runtime.store).problem(stage) is None  # what the store has comes first


def test_a_manifest_that_cannot_be_read_is_one_sentence(made, root, runtime, tmp_path):
    stage = made(toy_stage(3, tmp_path / "log"))
    (root / "manifest.json").write_text("[7]")
    with pytest.raises(UserError, match=r"manifest.json: found no readable manifest, expected "):
        Store(runtime.store).problem(stage)


def test_a_run_from_nothing_leaves_published_stages_alone(made, runtime, tmp_path, monkeypatch):
    stage = made(toy_stage(3, tmp_path / "log"))
    assert Store(runtime.store, published=False).problem(stage) == "missing"
    monkeypatch.setenv(store.RECOMPUTE, "1")
    assert Store(runtime.store).problem(stage) == "missing"
    assert Store(runtime.store).compute(stage, runtime).is_relative_to(runtime.store)
    assert runs(tmp_path) == ["3", "3"]


def test_a_damaged_result_gives_way_to_a_published_one(made, root, runtime, tmp_path):
    stage = made(toy_stage(3, tmp_path / "log"))
    own = Store(runtime.store, published=False).compute(stage, runtime)
    (own / "number.txt").write_text("7")
    assert "number.txt: found another SHA-256" in Store(runtime.store).problem(stage)
    assert Store(runtime.store).compute(stage, runtime).is_relative_to(root)
    assert runs(tmp_path) == ["3", "3"]


@pytest.mark.parametrize(
    "git", [CLEAN | {"changed": True}, CLEAN | {"changed": None}, CLEAN | {"commit": None}]
)
def test_what_no_commit_holds_is_not_published(root, runtime, tmp_path, monkeypatch, git):
    stages = [toy_stage(number, tmp_path / "log") for number in (1, 2)]
    results = {Store(runtime.store).compute(stages[0], runtime): stages[0]}
    monkeypatch.setattr(store, "git_state", lambda: git)
    results[Store(runtime.store).compute(stages[1], runtime)] = stages[1]
    with pytest.raises(UserError, match=r"record.json: found that 'toy 2' was computed by code that differs"):
        PublishedStages().publish(results)
    assert not root.exists()


def test_the_manifest_has_a_line_for_what_is_there(made, root, tmp_path):
    stages = [made(toy_stage(number, tmp_path / "log")) for number in (1, 2)]
    lines = json.loads((root / "manifest.json").read_text())
    assert set(lines) == {stage.key for stage in stages}
    shutil.rmtree(root / "toy" / stages[0].key[:24])
    stages.append(made(toy_stage(3, tmp_path / "log")))
    assert set(json.loads((root / "manifest.json").read_text())) == {stage.key for stage in stages[1:]}
    assert PublishedStages().damaged() == []
    assert sorted(path.name for path in root.iterdir()) == ["manifest.json", "toy"]


def told_what_is_published(job):
    (job.out / "published.txt").write_text(" ".join(sorted(job.published)))


def test_a_stage_is_told_which_parents_are_published(made, runtime, tmp_path):
    there, own = made(toy_stage(1, tmp_path / "log")), toy_stage(2, tmp_path / "log")
    Store(runtime.store).compute(own, runtime)
    child = toy_stage(3, tmp_path / "log", run=told_what_is_published, parents={"there": there, "own": own})
    assert (Store(runtime.store).compute(child, runtime) / "published.txt").read_text() == "there"


def test_the_status_counts_published_stages_apart(made, runtime, tmp_path):
    there, own = made(toy_stage(1, tmp_path / "log", seconds=0.2)), toy_stage(2, tmp_path / "log")
    Store(runtime.store).compute(own, runtime)
    rows = study_status(Plan("toy", (there, own, toy_stage(3, tmp_path / "log"))), Store(runtime.store))
    assert [row.state for row in rows] == ["published", "done", "waiting"]
    assert rows[0].spent >= 0.2
    assert rows[2].left == rows[1].spent  # what stages took elsewhere says nothing of this machine


def test_what_only_published_stages_are_made_from_is_not_computed(made, runtime, tmp_path):
    """first -> second -> published -> own, and a last one that gathers all of them; another one is made from third."""
    log = tmp_path / "log"
    first = toy_stage(1, log)
    second = toy_stage(10, log, parents={"first": first})
    third = toy_stage(100, log)
    there = made(toy_stage(1000, log, parents={"second": second, "third": third}))
    own = toy_stage(10_000, log, parents={"there": there, "third": third})
    everything = {stage.title: stage for stage in (first, second, third, there, own)}
    graph = [*everything.values(), toy_stage(0, log, parents=everything)]
    found = Store(runtime.store)
    assert found.needless(graph) == set()  # the last one reads them
    graph[-1] = replace(graph[-1], optional=frozenset({first.title, second.title}))
    assert found.needless(graph) == {first.key, second.key}
    assert [stage.title for stage in found.unfinished(graph)] == [third.title, own.title, graph[-1].title]
    states = [row.state for row in study_status(Plan("toy", tuple(graph)), found)]
    assert states == ["unneeded", "unneeded", "waiting", "published", "waiting", "waiting"]
    before = len(runs(tmp_path))
    for stage in found.unfinished(graph):
        found.compute(stage, runtime)
    assert runs(tmp_path)[before:] == ["100", "10000", "0"]
    numbers = (100, 1111, 1111 + 10_000 + 100)
    assert int((found.path(graph[-1]) / "number.txt").read_text()) == sum(numbers)
    assert found.needless(graph) == {first.key, second.key}
    assert Store(runtime.store, published=False).needless(graph) == set()


@pytest.mark.parametrize(
    ("published", "needless"),
    [
        ("gated_gold", {"word_vectors", "rating_model", "real_text"}),
        ("ppo_sweep", {"sweep_base", "ppo_trial"}),
    ],
)
def test_tables_do_without_what_only_published_stages_are_made_from(published, needless, monkeypatch):
    graph = plan(load_study("smoke"))
    tables = graph.tables
    assert {tables.parents[role].name for role in tables.optional} <= set(ONLY_COUNTED)
    assert not any(stage.optional for stage in graph.stages[:-1])
    there = {stage.key for stage in graph.stages if stage.name == published}
    store = Store(Path("nowhere"))
    monkeypatch.setattr(store, "is_published", lambda stage: stage.key in there)
    assert {stage.name for stage in graph.stages if stage.key in store.needless(graph.stages)} == needless


def write_sentences(job):
    texts = [f"It was the {k} th film of {k % 7} and I liked it." for k in range(1200)]
    columns = {"text": texts, "split": "language_model", "review": list(range(1200))}
    pl.DataFrame(columns).write_parquet(job.out / "sentences.parquet")


def test_a_language_model_is_published_and_read(made, root, runtime, tmp_path):
    """A real one, in bfloat16, without its text: as the package has them."""

    def stage(kind, spec, **parents):
        return Stage(kind, kind, KINDS[kind].version, spec.model_dump(mode="json"), parents, KINDS[kind].run)

    corpus = Stage("corpus", "corpus", 1, {}, {}, write_sentences)
    tokens = specs.TokenizerSpec(vocabulary=512, sentence_tokens=32, seed=0, tokens=2_000)
    tokenizer = stage("tokenizer", tokens, corpus=corpus)
    training = {"tokens": 2_000, "batch": 8, "learning_rate": 1e-3, "embedding_gain": 1.0, "seed": 0}
    shape = Shape(layers=1, width=8, heads=1)
    spec = specs.LanguageModelSpec(shape=shape, positions=32, kept="bfloat16", **training)
    model = made(stage("language_model", spec, tokenizer=tokenizer))
    assert [path.name for path in root.iterdir() if path.is_dir()] == ["language_model"]
    read = load_language_model(Store(runtime.store).path(model) / "model")
    again = load_language_model(tmp_path / "made" / "language_model" / model.key[:24] / "model")
    ids = torch.arange(12)[None]
    assert torch.equal(read(ids).logits, again(ids).logits)
    other = stage("language_model", spec.model_copy(update={"seed": 1}), tokenizer=tokenizer)
    assert Store(runtime.store).problem(other) == "missing"


def test_workers_find_published_stages_and_a_run_from_nothing_does_not(made, root, tmp_path):
    """In a copy of the package, in processes that know nothing of this one."""
    log = tmp_path / "log"
    made(toy_stage(1, log))
    shutil.copytree(
        PACKAGE, tmp_path / "copy" / "overopt", ignore=shutil.ignore_patterns("__pycache__", "published")
    )
    shutil.copytree(root, tmp_path / "copy" / "overopt" / "published")
    code = f"""
from pathlib import Path
from toy_stages import toy_stage
from overopt.engine import runner
from overopt.engine.plan import Plan
from overopt.engine.store import Store
there = toy_stage(1, "{log}")
child = toy_stage(2, "{log}", parents={{"there": there}})
runtime = runner.make_runtime("cpu", workers=1)
store = Store(runtime.store)
print((runner.run_plan(Plan("toy", (there, child)), store, runtime, priority={{}}) / "number.txt").read_text())
"""
    paths = os.pathsep.join([str(tmp_path / "copy"), str(Path(__file__).parents[1])])
    for given, ran in (({}, ["1", "2"]), ({store.RECOMPUTE: "1"}, ["1", "2", "1", "2"])):
        environment = os.environ | {
            "PYTHONPATH": paths,
            "OVEROPT_STORE": str(tmp_path / f"store{len(given)}"),
        }
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=environment | given, capture_output=True, text=True, cwd=tmp_path)
        assert done.stdout == "3\n", done.stderr
        assert runs(tmp_path) == ran


def test_what_the_package_has_verifies_and_belongs_to_a_study():
    """A stage that means something else now has another key: its published result would lie there for nothing."""
    assert PublishedStages(PACKAGE / "published").damaged() == []
    keys = {stage.key for name in available() for stage in plan(load_study(name)).stages}
    manifest = PACKAGE / "published" / "manifest.json"
    assert set(json.loads(manifest.read_text()) if manifest.is_file() else {}) <= keys
