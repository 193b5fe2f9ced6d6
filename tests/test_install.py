"""The package as pip installs it, away from any checkout, with what it declares to need and nothing else."""

import os
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import PathDistribution, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from clone_fixtures import add_readers_files, copy_of_clean_clone
from packaging.requirements import Requirement
from smoke_fixtures import copied_without

import overopt
from overopt.engine.published import PublishedStages
from overopt.engine.record import RECORD, read_record, write_record
from overopt.engine.stage import Runtime, Stage
from overopt.engine.store import Store
from overopt.plan.study_plan import plan
from overopt.study.study import available, load_study

pytestmark = pytest.mark.xdist_group("book")
COMMANDS = [
    "overopt --version",
    "overopt plan laptop",
    "overopt bon scores.csv --out out.csv",
    "overopt fit out.csv --form bon",
    "overopt judge dpo-400 --base sft --gold reward-model --prompts prompts.jsonl --tokens 8 --out judged.csv",
    "overopt run smoke --device cpu",
]


def write_files(job):
    """As a language model has them: some in a folder."""
    (job.out / "model").mkdir()
    for name in ("metrics.json", "model/config.json", "model/model.safetensors"):
        (job.out / name).write_text(name)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built wheel, of a clone that has one published stage beside its own."""
    source = tmp_path_factory.mktemp("source")
    clone, stage = source / "clone", Stage("toy", "toy", 1, {}, {}, write_files)
    clone.mkdir()
    copy_of_clean_clone(clone)
    made = Store(source / "store").compute(stage, Runtime("cpu", 8, 1, source / "store"))
    record = read_record(made) | {"git": {"commit": "a" * 40, "changed": False}}
    (made / RECORD).unlink()
    write_record(made, {name: value for name, value in record.items() if name not in ("files", "sha256")})
    PublishedStages(clone / "overopt" / "published").publish({made: stage})
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        "dist",
        ".",
    ]
    subprocess.run(command, cwd=clone, check=True)
    (path,) = (clone / "dist").glob("overopt-*.whl")
    return path


def closure(requirements):
    """Names of the distributions that `requirements` need, directly or not, without optional ones."""
    found, waiting = set(), [(Requirement(text), "") for text in requirements]
    seen = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        for wanted in ("", *requirement.extras):
            if (name, wanted) in seen:
                continue
            seen.add((name, wanted))
            found.add(name)
            waiting += [(Requirement(text), wanted) for text in distribution(name).requires or ()]
    return found


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """Runs commands in an environment with the wheel and links to what it declares, in a folder with a reader's files."""
    home = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home / "env")], check=True)
    site = Path(
        sysconfig.get_path("purelib", vars={"base": str(home / "env"), "platbase": str(home / "env")})
    )
    with ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    declared = [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]
    for name in closure(declared):
        one = distribution(name)
        tops = {file.parts[0] for file in one.files or () if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            link = site / top
            if not link.is_symlink():
                link.symlink_to(Path(one.locate_file(top)).resolve())
    python = home / "env" / "bin" / "python"
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([python, *install], check=True, cwd=home)
    return home


@pytest.fixture
def run(environment, smoke_store, tmp_path, tokenizer):
    """Runs a command there."""
    add_readers_files(tmp_path, tokenizer)
    # what takes long is there already, and must be found by its key; the rest is computed
    store = copied_without(smoke_store, tmp_path / "store", ["tables", "proxy_scale"])

    def run(command):
        given = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
        }
        given |= {
            "OVEROPT_STORE": str(store),
            "PATH": f"{environment / 'env' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        return subprocess.run(
            ["bash", "-euc", command], cwd=tmp_path, env=given, capture_output=True, text=True
        )

    return run


def test_the_commands_work(run, tmp_path):
    for command in COMMANDS:
        done = run(command)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip()
    assert run("overopt --version").stdout == f"overopt {overopt.__version__}\n"
    assert Store(tmp_path / "store").problem(plan(load_study("smoke")).tables) is None
    assert run('python -c "import overopt; print(overopt.__file__)"').stdout.count("site-packages") == 1


def test_what_it_declares_is_there_and_agrees(run):
    assert run("python -m pip check").stdout == "No broken requirements found.\n"


def test_what_only_the_book_needs_is_not(run):
    assert run("python -c 'import papermill'").returncode != 0
    done = run("overopt report smoke")
    assert done.returncode == 2
    assert done.stderr.startswith("overopt: report: found an installed package at ")


def test_studies_come_along(wheel):
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {f"overopt/studies/{name}.yaml" for name in available()} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_what_a_page_of_ones_own_is_made_of_comes_along(wheel):
    with ZipFile(wheel) as archive:
        assert {"overopt/report/own_page.css", "overopt/report/own_page.js"} <= set(archive.namelist())


def test_published_stages_come_along(wheel, tmp_path):
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    published = tmp_path / "overopt" / "published"
    (folder,) = (published / "toy").iterdir()
    assert (folder / "model" / "model.safetensors").read_text() == "model/model.safetensors"
    assert PublishedStages(published).damaged() == []


def test_the_lock_is_within_what_the_package_declares():
    declared = [
        Requirement(text) for text in PathDistribution(Path(distribution("overopt")._path)).requires or ()
    ]
    assert len(declared) > 30
    for requirement in declared:
        if requirement.name not in ("vllm", "overopt"):
            assert requirement.specifier.contains(distribution(requirement.name).version), requirement


@pytest.mark.slow
# The host is named for the pip of Python 3.11, which takes no URL without one.
@pytest.mark.parametrize("source", ["{clone}", "overopt @ git+file://localhost{clone}"])
def test_pip_installs_it_into_an_empty_environment(tmp_path, tokenizer, source):
    clone = tmp_path / "clone"
    clone.mkdir()
    copy_of_clean_clone(clone)
    home = tmp_path / "home"
    home.mkdir()
    add_readers_files(home, tokenizer)
    given = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    given |= {
        "OVEROPT_STORE": str(tmp_path / "store"),
        "PATH": f"{home / 'env' / 'bin'}{os.pathsep}{given['PATH']}",
    }
    script = "\n".join(
        [
            f"{sys.executable} -m venv env",
            f"pip install -q 'torch==2.13.0' '{source.format(clone=clone)}'",
            *COMMANDS,
        ]
    )
    done = subprocess.run(["bash", "-euc", script], cwd=home, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "study smoke: every stage is there" in done.stdout
