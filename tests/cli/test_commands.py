"""The command line: bad input is one sentence on stderr, exit code 2, and nothing written."""

import json
import os
import random
import sys
from dataclasses import replace
from importlib.metadata import version

import pytest

from overopt.cli import commands


@pytest.fixture
def overopt(monkeypatch, capsys, tmp_path):
    """Runs the command in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OVEROPT_STORE", str(tmp_path / "store"))
    monkeypatch.setattr("overopt.util.slow_progress.SECONDS", 600.0)  # on a busy machine little takes long

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["overopt", *words])
        try:
            commands.main()
            code = 0
        except SystemExit as done:
            code = done.code or 0
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def refused(overopt, tmp_path):
    """Runs a command that must be refused; the sentence after `overopt: `."""

    def run(*words):
        before = sorted(tmp_path.iterdir())
        code, out, err = overopt(*words)
        assert code == 2
        assert out == ""
        assert "Traceback" not in err
        assert err.startswith("overopt: ")
        assert err.count("\n") == 1
        assert err.endswith("\n")
        assert sorted(tmp_path.iterdir()) == before
        return err.removeprefix("overopt: ").rstrip()

    return run


def write(folder, name, *lines):
    (folder / name).write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("command", ["run", "plan", "report"])
def test_an_unknown_study(refused, command):
    assert refused(command, "nope").startswith("study: found 'nope', expected one of ")


def test_a_study_with_a_wrong_field(refused, tmp_path):
    write(tmp_path, "mine.yaml", "name: mine", "colour: red")
    assert refused("run", "mine.yaml").startswith("mine.yaml: ")


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "meta", ""])
def test_an_unknown_device(refused, device):
    assert refused("run", "smoke", "--device", device).startswith(
        f"device: found {device!r}, expected auto, cpu"
    )


@pytest.mark.parametrize(("option", "value"), [("workers", "0"), ("batch", "-1")])
def test_a_count_below_one(refused, option, value):
    assert refused("run", "smoke", f"--{option}", value) == f"{option}: found {value}, expected at least 1"


def test_a_missing_score_file(refused):
    assert refused("bon", "no.csv", "--out", "out.csv").startswith("no.csv: found no such file")


@pytest.mark.parametrize("score", ["nan", "inf", "much", ""])
def test_a_score_that_is_not_a_finite_number(refused, tmp_path, score):
    write(tmp_path, "scores.csv", "prompt,gold,proxy", "a,1,2", f"a,{score},3", "a,2,2")
    assert refused("bon", "scores.csv", "--out", "out.csv").startswith("scores.csv, column 'gold'")


def test_a_missing_column(refused, tmp_path):
    write(tmp_path, "scores.csv", "prompt,proxy", "a,1", "a,2")
    assert refused("bon", "scores.csv", "--out", "out.csv").startswith("scores.csv: found no column 'gold'")
    write(tmp_path, "curves.csv", "kl,proxy", "0,1", "1,2")
    assert refused("fit", "curves.csv", "--form", "bon").startswith("curves.csv: found no column 'gold'")


def test_an_empty_file(refused, tmp_path):
    (tmp_path / "scores.csv").write_text("")
    assert refused("bon", "scores.csv", "--out", "out.csv").startswith("scores.csv: found an empty file")


def test_an_output_that_cannot_be_written(refused, tmp_path):
    write(tmp_path, "scores.csv", "prompt,gold,proxy", "a,1,2", "a,2,3")
    assert "no folder" in refused("bon", "scores.csv", "--out", "nowhere/out.csv")


def test_a_negative_kl(refused, tmp_path):
    write(tmp_path, "curves.csv", "kl,gold", "0,0", "-1,1", "4,2", "5,3")
    assert refused("fit", "curves.csv", "--form", "rl").startswith("curves.csv, column 'kl', row 2: found -1")


def test_an_unknown_form(refused, tmp_path):
    write(tmp_path, "curves.csv", "kl,gold", "0,0", "1,1", "4,2", "5,3")
    said = refused("fit", "curves.csv", "--form", "cubic")
    assert "'cubic'" in said
    assert "bon" in said


@pytest.mark.parametrize(
    "words", [["wibble"], ["run"], ["run", "smoke", "--colour"], ["run", "smoke", "--batch", "x"]]
)
def test_a_command_line_that_does_not_parse(overopt, words):
    code, out, err = overopt(*words)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["run", "--help"],
        ["bon", "--help"],
        ["fit", "--help"],
        ["errors", "--help"],
        ["hedge", "--help"],
        ["page", "--help"],
    ],
)
def test_help_is_no_error(overopt, words):
    code, out, err = overopt(*words)
    assert code == 0
    assert "usage" in (out + err).lower()


def test_the_version_is_that_of_the_package(overopt):
    assert overopt("--version") == (0, f"overopt {version('overopt')}\n", "")


def test_a_report_without_a_clone_is_refused(refused, monkeypatch):
    monkeypatch.setattr("overopt.util.paths.IN_CHECKOUT", False)
    assert refused("report", "smoke").startswith("report: found an installed package at ")


def test_a_report_without_the_tools_of_the_book_is_refused(refused, monkeypatch):
    monkeypatch.delitem(sys.modules, "overopt.report.book", raising=False)
    monkeypatch.setitem(sys.modules, "papermill", None)
    assert refused("report", "smoke").startswith("report: found no module 'papermill', expected ")


def test_curves_and_fits_of_ones_own_scores(overopt, tmp_path):
    draw = random.Random(0)
    rows = [f"{prompt},{draw.random()},{draw.random()}" for prompt in "abc" for _ in range(16)]
    write(tmp_path, "scores.csv", "prompt,gold,proxy", *rows)
    code, _, err = overopt("bon", "scores.csv", "--out", "curves.csv")
    assert (code, err) == (0, "")
    code, out, _ = overopt("fit", "curves.csv", "--form", "bon", "--json")
    assert code == 0
    assert '"alpha"' in out


def test_the_plan_of_a_study_names_what_is_missing(overopt):
    code, out, _ = overopt("plan", "smoke")
    lines = out.splitlines()
    assert code == 0
    assert all(line.startswith("missing") for line in lines[:-1])
    assert lines[-1] == f"0 of {len(lines) - 1} stages done"


def test_the_status_of_a_study_nobody_has_run(overopt):
    code, out, _ = overopt("status", "smoke")
    lines = out.splitlines()
    assert code == 0
    assert all(line.startswith("waiting") for line in lines[1:-1])
    assert lines[-1].startswith(f"0 of {len(lines) - 2} stages done, ")


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_the_status_fits_a_narrow_terminal(overopt, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("overopt.cli.stages._on_terminal", lambda: True)
    code, out, _ = overopt("status", "smoke")
    lines = out.splitlines()
    assert code == 0
    assert max(map(len, lines)) <= columns
    column = lines[0].index("stage")
    table = lines[: next(k for k, line in enumerate(lines) if line.startswith("0 of "))]
    assert all(
        line[:column].split() in (["waiting", "?"], []) for line in table[1:]
    )  # else it is a title's rest
    assert "PPO of the sweep, value model from the proxy" in " ".join(
        " ".join(line[column:] for line in table).split()
    )


def test_the_status_in_a_pipe_is_a_line_a_stage(overopt, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    _, out, _ = overopt("status", "smoke")
    assert any(line.endswith("  PPO of the sweep, value model from the proxy") for line in out.splitlines())


@pytest.fixture
def published():
    """What `overopt verify` says of the stages that come with the package."""
    from overopt.engine.published import MANIFEST, PUBLISHED

    count = len(json.loads((PUBLISHED / MANIFEST).read_text()))
    assert count > 0
    return f"{PUBLISHED}: all {count} published stages verify"


def test_an_empty_store_verifies_and_a_damaged_one_is_refused(overopt, published, tmp_path):
    code, out, _ = overopt("verify")
    assert (code, out) == (0, f"store {tmp_path / 'store'}: all 0 results verify\n{published}\n")
    (tmp_path / "store" / "toy" / "abc").mkdir(parents=True)
    code, out, err = overopt("verify")
    assert code == 2
    assert out == f"{tmp_path / 'store' / 'toy' / 'abc' / 'record.json'}: found no readable record\n"
    assert err.startswith(f"overopt: store {tmp_path / 'store'}: found 1 damaged among 1 results and ")
    assert err.count("\n") == 1


@pytest.fixture
def three(monkeypatch, tmp_path):
    """The study of `overopt plan toy`: a stage of the kind `model` that is made, and two that are not."""
    from toy_stages import toy_stage

    from overopt.engine import published, store
    from overopt.engine.plan import Plan
    from overopt.engine.stage import Runtime

    monkeypatch.setattr(published, "PUBLISHED", tmp_path / "published")
    monkeypatch.setattr(store, "git_state", lambda: {"commit": "a" * 40, "changed": False})
    model, other = (toy_stage(number, tmp_path / "log") for number in (1, 2))
    model = replace(model, name="model")
    graph = Plan(
        "toy", (model, other, toy_stage(3, tmp_path / "log", parents={"model": model, "other": other}))
    )
    for module in ("stages", "publish"):
        monkeypatch.setattr(f"overopt.cli.{module}.plan", lambda study: graph)
        monkeypatch.setattr(f"overopt.cli.{module}.load_study", lambda name: None)
    root = tmp_path / "made"
    store.Store(root).compute(model, Runtime(device="cpu", batch=8, workers=1, store=root))
    return graph.stages


def test_results_are_published_and_counted_apart(overopt, three, tmp_path, monkeypatch):
    model, folder = three[0], tmp_path / "published" / "model" / three[0].key[:24]
    monkeypatch.setenv("OVEROPT_STORE", str(tmp_path / "made"))
    code, out, _ = overopt("publish", "toy", "--kind", "model")
    assert (code, out.splitlines()) == (
        0,
        [f"{folder}: toy 1", f"1 stages published, 0 were already; commit {tmp_path / 'published'}"],
    )
    assert overopt("publish", "toy", "--kind", "model")[1].startswith("0 stages published, 1 were already")
    monkeypatch.setenv("OVEROPT_STORE", str(tmp_path / "store"))
    lines = overopt("plan", "toy")[1].splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["published", "missing", "missing"]
    assert lines[-1] == "0 of 3 stages done, 1 more published with the package"
    rows = json.loads(overopt("plan", "toy", "--json")[1])
    assert [(row["done"], row["published"]) for row in rows] == [(True, True), (False, False), (False, False)]
    assert rows[0]["record"] == str(folder / "record.json")
    assert rows[1]["record"] == f"toy/{three[1].key[:24]}/record.json"
    lines = overopt("status", "toy")[1].splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["published", "waiting", "waiting"]
    assert lines[-1].startswith(
        "0 of 3 stages done, 1 more published with the package, 0 seconds of compute spent beside "
    )
    assert overopt("verify")[1].endswith(f"{tmp_path / 'published'}: all 1 published stages verify\n")
    (folder / "number.txt").write_text("7")
    code, out, err = overopt("verify")
    assert code == 2
    assert f"{folder / 'number.txt'}: found another SHA-256 than its record states\n" in out
    assert err.startswith(
        f"overopt: {tmp_path / 'published'}: found 1 damaged published stages, expected none"
    )
    out = overopt("plan", "toy")[1]
    assert out.startswith(f"damaged   {model.key[:12]}  toy 1\n")
    assert f"{folder / 'number.txt'}: found another SHA-256 than its record states; a run computes it" in out


def test_what_cannot_be_published_is_refused(refused, three, monkeypatch):
    assert refused("publish", "toy", "--kind", "models") == "kind: found 'models', expected one of model, toy"
    assert refused("publish", "toy", "--kind", "toy").startswith("result 'toy 2': missing; expected a result")
    monkeypatch.setattr("overopt.util.paths.IN_CHECKOUT", False)
    assert refused("publish", "toy", "--kind", "model").startswith("publish: found an installed package at ")


def test_a_run_from_nothing_is_told_to_every_process(overopt, monkeypatch):
    from overopt import api

    seen = []
    monkeypatch.setattr(api, "run", lambda *_study, **_options: seen.append(os.environ.get(api.RECOMPUTE)))
    monkeypatch.setenv(api.RECOMPUTE, "")  # put back when the test ends
    overopt("run", "smoke", "--device", "cpu")
    overopt("run", "smoke", "--device", "cpu", "--recompute")
    assert seen == ["", "1"]


def test_what_a_stopped_run_left_is_no_damage(overopt, published, tmp_path):
    left = tmp_path / "store" / "toy" / "abc.work"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x" * 250_000)
    code, out, err = overopt("verify")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"{left}: 0.2 MB of a run that was stopped, for the next one; may be deleted",
        f"store {tmp_path / 'store'}: all 0 results verify",
        published,
    ]


@pytest.mark.parametrize("name", ["curves.csv", "curves.parquet"])
def test_a_full_disk_is_one_sentence_and_leaves_no_file(refused, tmp_path, disk_full_at, name):
    draw = random.Random(0)
    rows = [f"{prompt},{draw.random()},{draw.random()}" for prompt in "abc" for _ in range(64)]
    write(tmp_path, "scores.csv", "prompt,gold,proxy", *rows)
    with disk_full_at(100):
        said = refused("bon", "scores.csv", "--out", name)
    assert said == f"{name}: could not be written (File too large), expected a writable place"


def test_a_diverged_training_exits_with_1_and_says_so(overopt, monkeypatch):
    from overopt import api
    from overopt.training.optim import Diverged

    def diverge(*_study, **_options):
        raise Diverged("PPO: KL: found nan at step 3; expected a finite number")

    monkeypatch.setattr(api, "run", diverge)
    code, out, err = overopt("run", "smoke")
    assert (code, out) == (1, "")
    assert (
        err
        == "overopt: PPO: KL: found nan at step 3; expected a finite number; nothing of this run is published\n"
    )


def test_control_c_says_that_the_work_is_kept(overopt, monkeypatch):
    from overopt import api

    def stop(*_study, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "run", stop)
    code, _, err = overopt("run", "smoke")
    assert code == 130
    assert err.startswith("overopt: stopped; what was finished is kept")


def test_how_hard_to_optimise(overopt, refused, tmp_path):
    draw = random.Random(0)
    rows = [f"{prompt},{draw.random()},{draw.random()}" for prompt in "abc" for _ in range(16)]
    write(tmp_path, "scores.csv", "prompt,gold,mine[1b]", *rows)
    code, out, err = overopt("hedge", "scores.csv")
    assert (code, err) == (0, "")
    for words in ("mine[1b]", "best-of-Poisson", "more than best of 16", "soft best-of-n"):
        assert words in out
    code, out, _ = overopt("hedge", "scores.csv", "--json")
    assert [(row["proxy_name"], row["method"]) for row in json.loads(out)] == [
        ("mine[1b]", method) for method in ("best-of-n", "soft best-of-n", "best-of-Poisson")
    ]
    assert overopt("hedge", "scores.csv", "--json")[1] == out
    write(tmp_path, "one.csv", "prompt,gold,mine", "a,1,2", "a,2,3")
    assert refused("hedge", "one.csv").startswith("proxy: found 1 prompts, expected two or more")


def test_what_kind_of_error(overopt, refused, tmp_path):
    draw = random.Random(0)
    rows = [
        f"{prompt},{gold},{gold + draw.gauss(0, 1)},{gold},1"
        for prompt in "abc"
        for gold in [draw.gauss(0, 1) for _ in range(64)]
    ]
    write(tmp_path, "scores.csv", "prompt,gold,noisy,same,flat", *rows)
    code, out, err = overopt("errors", "scores.csv")
    assert (code, err) == (0, "")
    assert "n = 32: 0.97 of 0.97" in out
    noisy, same, flat = json.loads(overopt("errors", "scores.csv", "--json")[1])
    assert same["agreement"]["auroc"] == same["agreement"]["accuracy"] == 1
    assert same["tail"] is None  # it makes no error
    assert 0.6 < noisy["agreement"]["auroc"] < 0.9
    assert noisy["tail"]["used"] == 13
    assert (flat["agreement"]["auroc"], flat["agreement"]["accuracy"]) == (0.5, 0)
    assert flat["spread"] == {"within": 0, "share": None}
    assert flat["win_rate"]["rate"] == pytest.approx(0.5)
    write(tmp_path, "one.csv", "prompt,gold,mine", "a,1,2", "b,1,2", "b,2,3")
    assert "found a prompt with a single sample" in refused("errors", "one.csv")
