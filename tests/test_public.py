"""What `import overopt` gives: every name documented, every example of a docstring runs, nothing imported too early."""

import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from clone_fixtures import add_readers_files

import overopt
from overopt.estimators import (
    error_kinds,
    hedging,
    laws,
    pair_order,
    tail_index,
    tied_kl,
    uncertainty,
    win_rate,
)
from overopt.models import as_saved, logits, reading, written
from overopt.util import chats, slow_progress, table_files

EXAMPLES = {name: getattr(overopt, name) for name in overopt.__all__ if name != "LAWS"}
EXAMPLES |= {"Law": laws.Law, "standard_error": uncertainty.standard_error}
EXAMPLES |= {
    thing.__name__: thing
    for thing in (
        *(error_kinds.agreement, error_kinds.proxy_spread, error_kinds.gold_by_quantile, win_rate.win_rates),
        *(tail_index.hill, tied_kl.lost_to_ties, pair_order.lower_in_both, pair_order.pairs_among),
        *(hedging.hedge, hedging.soft_best_of_n, hedging.best_of_poisson),
        *(as_saved.tokenizer_as_saved, logits.which_logit, reading.reading_of, written.written),
        *(chats.last_user_turn, slow_progress.SlowProgress, table_files.format_of),
    )
}
OF_A_STUDY = {"run", "load_results"}


def run_examples(thing):
    """Run what a docstring shows; fails where it shows nothing."""
    module = inspect.getmodule(thing)
    finder = doctest.DocTestFinder(recurse=False)
    (found,) = finder.find(thing, globs=vars(module) | {"overopt": overopt})
    assert found.examples
    assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(found).failed == 0


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - OF_A_STUDY))
def test_an_example_runs(name, tmp_path, monkeypatch, tokenizer):
    add_readers_files(tmp_path, tokenizer)
    monkeypatch.chdir(tmp_path)
    run_examples(EXAMPLES[name])


@pytest.mark.xdist_group("smoke")
@pytest.mark.parametrize("name", sorted(OF_A_STUDY))
def test_an_example_of_a_study_runs(name, smoke_store):
    run_examples(EXAMPLES[name])


def test_names_stand_in_three_places_alike():
    homes = [name for names in overopt._HOMES.values() for name in names]
    assert sorted(homes) == sorted(overopt.__all__)
    assert set(dir(overopt)) == {*overopt.__all__, "__version__"}
    typing = inspect.getsource(overopt).partition("if TYPE_CHECKING:")[2].partition("__version__")[0]
    typed = [name for line in re.findall(r"import (.*)", typing) for name in line.split(", ")]
    assert sorted(typed) == sorted(overopt.__all__)
    with pytest.raises(AttributeError, match="'overopt' has no attribute 'wibble'"):
        _ = overopt.wibble


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import overopt", {"numpy", "polars", "torch", "pydantic"}),
        (
            "from overopt import best_of_n, fit, bootstrap, tilt, LAWS",
            {"torch", "transformers", "polars", "pydantic"},
        ),
        ("from overopt import load_study, UserError", {"torch", "transformers"}),
    ],
)
def test_nothing_is_imported_before_it_is_needed(statement, absent):
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", script], text=True).split())
    assert "overopt" in loaded
    assert loaded & absent == set()


def test_its_types_are_there_for_others():
    assert Path(overopt.__file__).with_name("py.typed").is_file()
