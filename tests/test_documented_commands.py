"""Every command that a document names runs, as it stands there, in a copy of a clean clone.

The table of commands is made from the documents (`documents.all_commands`), a test for each: one that is new, or changed,
is run without anybody's doing. Three things are replaced: studies that take long (`clone_fixtures.shortened`), what
cannot be run inside this suite (`INSTEAD`, each with its reason), and folders that only a cluster has.
"""

import re
import shutil

import pytest
from clone_fixtures import COMPUTES, run_in, shortened
from documents import ANY_BLOCK, Command, all_commands, commands_of, documents

from overopt.plan.study_plan import plan
from overopt.study.study import load_study

pytestmark = pytest.mark.xdist_group("book")

# What stands for a command that a test cannot run: (pattern, replacement, why).
INSTEAD = [
    (
        r"^make (test|check|bench)\b",
        r"make --dry-run \1",
        "this suite, what runs before it, and 25 minutes of benchmarks",
    ),
    (r"^make pdf\b", "make --dry-run pdf", "a browser that prints: tests/report/test_print_book.py"),
    (r"-m pytest -m slow", "-m pytest -m slow --collect-only tests/test_end_to_end.py", "half an hour"),
    (r"^pip install .*", "true", "an empty environment: tests/test_install.py"),
    (r"(/profiles/slurm .*?)(?= *#|$)", r"\1 --dry-run", "there is no Slurm here"),
]
ENVIRONMENT = r"\.venv-workflow/bin|-m venv"  # Snakemake's own: a minute to install
FAULT = re.compile(r"\b(ERROR|WARNING|FAILED|Traceback)\b|(?:[Ee]rror|[Ww]arning): ")
KERNEL_SAYS = (  # to everybody who runs plain papermill, which interrupts a kernel before it asks it to end
    "[IPKernelApp] WARNING | Kernel is running over TCP",
    "[IPKernelApp] ERROR | KeyboardInterrupt caught in kernel",
)
# pip says this where a machine's own settings name a folder of packages that lacks one: it is looked for elsewhere.
PIP_SAYS = re.compile(r"^WARNING: Location '\S+' is ignored: it is neither a file nor a directory\.$", re.M)
COMMANDS = all_commands()
BOXES = [
    command for command in COMMANDS if command.document.endswith(".ipynb") and "papermill" in command.text
]


def instead(text):
    """The command that is run for a documented one."""
    for pattern, replacement, _ in INSTEAD:
        text = re.sub(pattern, replacement, text)
    return shortened(text)


def on_path(command):
    """The page for people who installed the package finds `overopt` on the path; all others say .venv/bin."""
    return command.document == "book/own.md"


def cases():
    """A test for every command that is run, whoever names it; of the pages' boxes, which differ in the page's name alone,
    all but one are slow."""
    different = {}
    for command in COMMANDS:
        run = instead(command.text.partition(" #")[0].rstrip()), command.exports, on_path(command)
        different.setdefault(run, command)
    for command in different.values():
        slow = command in BOXES[1:] or re.search(ENVIRONMENT, command.text)
        name = f"{command.document}: {' '.join(command.text.split())}"
        yield pytest.param(command, id=name, marks=[pytest.mark.slow] if slow else [])


@pytest.fixture(scope="module")
def run(clone, smoke_store, smoke_book, tmp_path_factory):
    """Runs a documented command: `smoke_book` is what `make report` made."""
    key = plan(load_study("smoke")).stages[0].key

    def run(command):
        text = instead(command.text).replace("KEY", key[:12])
        exports = [line.replace("/shared/folder/store", str(smoke_store)) for line in command.exports]
        folder = clone
        if "--publish" in text:  # for maintainers: it renews what is committed
            folder = tmp_path_factory.mktemp("published") / "clone"
            shutil.copytree(clone, folder, symlinks=True)
        return run_in(folder, text, smoke_store, on_path=on_path(command), exports=exports)

    return run


@pytest.mark.parametrize("command", list(cases()))
def test_a_documented_command_runs(command, run, clone):
    done = run(command)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    heard = PIP_SAYS.sub("", said)
    for words in KERNEL_SAYS:
        heard = heard.replace(words, "")
    assert not FAULT.search(heard), said
    assert said.strip() or re.search(r"^true|venv|ruff format", instead(command.text))


def test_a_report_says_nothing_that_looks_like_a_fault(clone, smoke_book):
    said = (clone / "said").read_text()
    assert "executing 01_gold_vs_optimisation" in said
    assert not FAULT.search(said)


def test_the_clone_is_clean_after_all_of_them(clone):
    """What commands make is ignored by git or new, never a change of what is committed: they run before this."""
    done = run_in(clone, "git status --porcelain --untracked-files=no", "")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "text",
    [
        ".venv/bin/overopt plan gpu --price --tflop 60 --drawing-tflops 3",
        ".venv/bin/overopt plan gpus --price",
        "make reports",
        ".venv/bin/overopt fit no-such.csv --form bon",
    ],
)
def test_a_command_that_is_wrong_fails(text, run):
    assert run(Command("README.md", text)).returncode != 0


def test_a_changed_document_has_other_commands():
    text = documents()["README.md"]
    before, after = (commands_of("README.md", t) for t in (text, text.replace("--tflops 60", "--tflop 60")))
    assert len(before) == len(after) > 15
    (new,) = set(after) - set(before)
    assert "--tflop 60" in new.text


def test_commands_are_found_in_blocks_tables_and_sentences():
    text = (
        "Use `make x` or `overopt`, not `overopt.fit(x)`.\n\n"
        "| `.venv/bin/overopt run y` | does |\n\n"
        "```bash\n# a note\nexport A=1\npapermill a \\\n    -p b\n```\n\n```python\nmake(`z w`)\n```\n"
    )
    assert [(command.text, command.exports) for command in commands_of("d", text)] == [
        ("papermill a     -p b", ("export A=1",)),
        ("make x", ()),
        (".venv/bin/overopt run y", ()),
    ]


def test_blocks_are_of_kinds_that_are_looked_at():
    """A command in a block of another kind (sh, console) would go unseen."""
    kinds = {
        block.splitlines()[0].removeprefix("```").split()[0] if block.splitlines()[0] != "```" else ""
        for text in documents().values()
        for block in ANY_BLOCK.findall(text)
    }
    assert {kind for kind in kinds if not kind.startswith("{")} <= {"bash", "bibtex", "python", "yaml"}


def test_every_replacement_is_of_use():
    for pattern, _, why in INSTEAD:
        assert why
        assert any(re.search(pattern, command.text) for command in COMMANDS), pattern


def test_only_what_computes_a_study_is_shortened():
    assert shortened("make report    # x") == "make report STUDY=smoke    # x"
    assert shortened("make report STUDY=published") == "make report STUDY=smoke"
    assert shortened(".venv/bin/overopt run laptop --workers 1") == ".venv/bin/overopt run smoke --workers 1"
    assert shortened(".venv/bin/overopt plan laptop") == ".venv/bin/overopt plan laptop"
    assert shortened(".venv/bin/overopt plan STUDY --price") == ".venv/bin/overopt plan smoke --price"
    assert not COMPUTES.search(".venv/bin/overopt plan gpu --price --tflops 60")
