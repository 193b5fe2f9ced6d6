"""README opens with what the committed results say."""

import re

import pytest

from overopt import api
from overopt.report import readme
from overopt.study.study import load_study
from overopt.util.errors import UserError
from overopt.util.paths import ROOT


@pytest.fixture(scope="module")
def published():
    return api.load_results("published")


def test_the_committed_readme_has_the_committed_verdicts(published):
    """Run `overopt report published --publish` where this fails."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.with_verdicts(text, published) == text
    assert text.count("\n| ") == text.partition(readme.START)[0].count("\n| ") + 21 + text.partition(
        readme.END
    )[2].count("\n| ")


def test_only_what_stands_between_the_marks_changes(published):
    text = f"before\n{readme.START}\n| a row of before |\n{readme.END}\nafter\n"
    new = readme.with_verdicts(text, published)
    assert new.startswith(f"before\n{readme.START}\n| |")
    assert new.endswith(f"{readme.END}\nafter\n")
    assert "a row of before" not in new
    assert readme.with_verdicts(new, published) == new


def test_a_readme_without_marks_is_refused(published):
    with pytest.raises(UserError, match=r"README\.md: found no marks"):
        readme.with_verdicts("# title\n", published)


def test_the_headline_is_a_picture_with_a_ground_of_its_own(published):
    svg = readme.headline(published)
    assert svg.startswith('<svg style="background:#fff;color:#111" ')
    assert svg.count("<path") > 20
    assert (ROOT / "book" / "headline.svg").read_text(encoding="utf-8") == svg


def test_studies_of_which_it_is_said_that_nobody_has_run_them_have_no_committed_tables():
    said = re.search(
        r"The studies ([^.]*) have not been run yet", (ROOT / "README.md").read_text(encoding="utf-8")
    )
    assert said
    names = re.findall(r"`([a-z-]+)`", said[1])
    assert names
    for name in names:
        load_study(name)
        assert not (ROOT / "results" / name).exists(), name
