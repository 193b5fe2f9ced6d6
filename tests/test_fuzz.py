"""Whatever the file: a result that is right, or one sentence. Never another exception, and nothing written."""

import csv
import io
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from overopt.estimators.best_of_n import best_of_n_kl
from overopt.estimators.tables import bon_table, fit_table
from overopt.study.study import STUDIES, Study, load_study
from overopt.util.errors import UserError

BUDGET = settings(max_examples=60, deadline=None)

cells = st.one_of(
    st.floats().map(str),
    st.integers(-(10**20), 10**20).map(str),
    st.text(max_size=5),
    st.sampled_from(["", "nan", "inf", "-0", "1e400", "null", "a"]),
)
good = st.floats(-1e3, 1e3).map(str)


def tables(*names):
    """CSV texts: columns among `names` and more, cells that are mostly numbers."""
    header = st.lists(st.sampled_from([*names, "other", ""]), min_size=1, max_size=5)

    def rows(columns):
        row = st.lists(st.one_of(good, good, good, cells), min_size=len(columns), max_size=len(columns))
        return st.lists(row, max_size=8).map(lambda body: [columns, *body])

    def text(lines):
        out = io.StringIO()
        csv.writer(out).writerows(lines)
        return out.getvalue().encode()

    return st.one_of(header.flatmap(rows).map(text), st.binary(max_size=60))


def one_sentence(error):
    assert str(error)
    assert "\n" not in str(error).strip()


def with_file(content, name, act):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            return act(path)
        except UserError as error:
            one_sentence(error)
            return None
        finally:
            assert path.read_bytes() == content
            assert [found.name for found in path.parent.iterdir()] == [name]


@BUDGET
@given(tables("prompt", "gold", "proxy"))
@example(b"prompt,gold,proxy\na,1,2\na,3,1\nb,0,0\nb,0,1\n")
def test_score_tables(content):
    curves = with_file(content, "scores.csv", bon_table)
    if curves is None:
        return
    assert curves.height > 0
    for row in curves.iter_rows(named=True):
        assert math.isclose(row["kl"], best_of_n_kl(row["n"]), abs_tol=1e-12)
        assert 0 <= row["kl_exact"] <= row["kl"]
        assert math.isfinite(row["gold"])
        assert math.isfinite(row["proxy"])
    first = curves.filter(n=1)
    assert first.height == curves["proxy_name"].n_unique()


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(), st.text(max_size=4)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["prompt", "gold", "proxy", "gold_scores", "role"]), inner, max_size=4
        ),
    ),
    max_leaves=12,
)


@BUDGET
@given(st.one_of(json_values.map(json.dumps), st.text(max_size=40)), st.sampled_from(["s.json", "s.jsonl"]))
@example('[{"gold": [1, 2], "proxy": [2, 1]}]', "s.json")
def test_score_files_of_json(text, name):
    curves = with_file(text.encode("utf-8", "surrogatepass"), name, bon_table)
    assert curves is None or curves["gold"].is_finite().all()


@BUDGET
@given(tables("kl", "gold", "gold_se", "proxy_name"), st.sampled_from(["bon", "rl"]), st.booleans())
@example(b"kl,gold\n0,0\n1,1\n4,1.5\n9,1.2\n16,0.4\n", "bon", False)
def test_curve_tables(content, form, centre):
    fits = with_file(content, "curves.csv", lambda path: fit_table(path, form, centre=centre))
    for row in fits or []:
        assert row["form"] == form
        assert row["status"]
        numbers = [row[name] for name in ("alpha", "alpha_se", "beta", "beta_se", "peak_kl", "peak_gold")]
        assert all(number is None or np.isfinite(number) for number in numbers)


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 10**6), st.floats(), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value, at=()):
    """The path of every field in a study file."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*at, name)
            yield from places(inner, (*at, name))


SMOKE = yaml.safe_load((STUDIES / "smoke.yaml").read_text())


@BUDGET
@given(st.sampled_from(sorted(places(SMOKE))), plain, st.booleans())
@example(("proxies", "learning_rates"), {"\n": None}, False)
@example(("models",), {"two\nlines": {}}, False)
def test_study_files_with_one_wrong_field(place, value, remove):
    fields = yaml.safe_load((STUDIES / "smoke.yaml").read_text())
    inner = fields
    for name in place[:-1]:
        inner = inner[name]
    if remove:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    study = with_file(yaml.safe_dump(fields).encode(), "mine.yaml", load_study)
    assert study is None or isinstance(study, Study)


@BUDGET
@given(
    st.one_of(
        st.binary(max_size=80),
        st.text(max_size=80).map(str.encode),
        plain.map(yaml.safe_dump).map(str.encode),
    )
)
@example(b"a: [")
@example(b"\xff\xfe")
@example(b"&a [*a]")
def test_study_files_that_are_anything(content):
    assert with_file(content, "mine.yaml", load_study) is None
