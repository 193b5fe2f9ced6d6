"""How the package is laid out: the contract on imports, and what CONTRIBUTING shows of it."""

import ast
import shutil
import subprocess
import sys
import tomllib

import pytest

from overopt.util.paths import PACKAGE, ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
FLOORS = [floor.split(" | ") for floor in reversed(SETTINGS["contracts"][0]["layers"]) if floor != "__main__"]


def docstring(name):
    """What a package or module says of itself, on one line."""
    path = PACKAGE / name
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    return said.splitlines()[0]


def table():
    """The contract as Markdown, the highest floor first."""
    rows = ["| floor | package | what it holds | may import |", "|---|---|---|---|"]
    for k in range(len(FLOORS) - 1, -1, -1):
        below = {0: "nothing", 1: "floor 1", 2: "floors 1 and 2"}.get(k, f"floors 1 to {k}")
        rows += [f"| {k + 1} | `{name}` | {docstring(name)} | {below} |" for name in FLOORS[k]]
    return "\n".join(rows)


def test_contributing_shows_the_contract():
    """Put what stands on the left here into CONTRIBUTING.md where this fails."""
    shown = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert table() in shown, table()


def test_a_package_says_in_one_line_what_it_holds_and_nothing_else():
    for file in PACKAGE.rglob("*/__init__.py"):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        assert isinstance(body[0], ast.Expr), file
        assert "\n" not in body[0].value.value, file
        assert len(body) == 1 or file.parent.name == "figures", (
            file
        )  # figures are called by the package's name


def test_few_modules_stand_outside_of_a_package():
    assert len(list(PACKAGE.glob("*.py"))) <= 6


@pytest.mark.parametrize(
    ("module", "line", "broken"),
    [
        ("util/words.py", "", None),
        ("util/words.py", "from overopt.study.study import load_study", "overopt.util.words -> overopt.study.study"),
        ("study/parts.py", "from overopt.engine.stage import Stage", "overopt.study.parts -> overopt.engine.stage"),
        ("rewards/scoring.py", "from overopt.rewards.gold import Gold", ".scoring -> .gold"),
        ("estimators/laws.py", "import torch", "overopt.estimators.laws -> torch"),
    ],
    ids=["as it is", "upwards", "sideways", "in a circle", "a forbidden library"],
)  # fmt: skip
def test_the_contract_holds_and_sees_what_would_break_it(tmp_path, module, line, broken):
    shutil.copytree(PACKAGE, tmp_path / "overopt", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / "overopt" / module).open("a") as file:
        file.write(f"\n{line}\n")
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == (1 if broken else 0), done.stdout + done.stderr
    assert broken is None or broken in done.stdout


@pytest.mark.xdist_group("alone")
def test_tests_of_a_group_stay_together(request, worker_id):
    """pytest-xdist goes by the end of a test's id; where it is missing, every process makes every study for itself."""
    if worker_id == "master":
        pytest.skip("tests run in one process")
    assert request.node.nodeid.endswith("@alone")
