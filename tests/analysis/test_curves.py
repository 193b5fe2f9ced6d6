"""The curves table takes what the schema says and names the first thing that it does not."""

import math
import os

import numpy as np
import polars as pl
import pytest

from overopt.analysis import curves
from overopt.analysis.curves import ByPrompt, Curves
from overopt.util.errors import UserError

BON = {
    "study": "s", "world": "w", "method": "bon", "policy_params": 10, "rm_params": 10, "pairs": 90,
    "epochs": 1, "label_noise": 0.0, "kl_penalty": 0.0, "ensemble": "single", "setting": "tau 0.2",
    "rounds": 1, "round": 1, "seed": 0, "n": 2, "step": None, "temperature": None, "kl": 0.19, "kl_round": None,
    "kl_se": 0.0, "kl_kind": "analytic", "gold": 0.3, "gold_se": 0.1, "proxy": 0.5,
    "proxy_se": 0.1, "gold_second": None, "gold_second_se": None,
    "gold_lenient": 0.4, "gold_lenient_se": 0.1, "gold_strict": 0.2, "gold_strict_se": 0.1, "rating": 0.5, "gate": 0.9,
    "prompts": 3, "samples": 8, "rm_loss": 0.6, "rm_accuracy": 0.7, "kl_k1": None,
    "kl_k3": None, "clip_fraction": None, "entropy": None, "length": None, "spread": None, "base_log_prob": None,
    "ess": None, "record": "r",
}  # fmt: skip
PPO = BON | {
    "method": "ppo", "n": None, "step": 20, "kl_kind": "exact", "kl_se": 0.01, "kl_k1": -0.01, "kl_k3": 0.2,
    "clip_fraction": 0.1, "entropy": 2.5, "length": 9.5, "record": "q",
}  # fmt: skip
PROMPT = {"record": "r", "n": 2, "step": None, "prompt": 0, "kl": 0.19, "gold": 0.3, "proxy": 0.5}
PROMPT |= {"gold_lenient": 0.4, "gold_strict": 0.2}


def frame(*rows):
    return pl.DataFrame(list(rows), infer_schema_length=None)


def test_round_trip(tmp_path):
    path = tmp_path / "curves.parquet"
    curves.write(frame(BON, PPO), path)
    assert curves.read(path).rows(named=True) == [BON, PPO]
    assert os.listdir(tmp_path) == ["curves.parquet"]


def test_what_came_later_is_nothing_in_an_older_table(tmp_path):
    """Tables from before a column was known are read as if they had been written with nothing in it."""
    for model, row, read in ((Curves, BON, curves.read), (ByPrompt, PROMPT, curves.read_by_prompt)):
        later = [name for name in curves.LATER if name in row]
        older = pl.DataFrame([row]).drop(later)
        path = tmp_path / model.__name__
        types = {name: column.dtype.type for name, column in model.to_schema().columns.items()}
        older.cast({name: types[name] for name in older.columns}).write_parquet(path)
        assert later
        assert read(path).rows(named=True) == [row | dict.fromkeys(later)]
        older.drop("kl").write_parquet(path)
        with pytest.raises(UserError, match="found no column 'kl'"):  # which there always was
            read(path)


def test_the_error_over_a_single_prompt_is_kept_as_nothing(tmp_path):
    errors = dict.fromkeys(("kl_se", "gold_se", "proxy_se", "gold_second_se"), math.nan)
    curves.write(frame(BON | errors | {"gold_second": 0.2}), tmp_path / "c")
    (row,) = curves.read(tmp_path / "c").rows(named=True)
    assert [row[name] for name in errors] == [None] * 4


def test_a_table_of_one_method_alone_has_typed_empty_columns(tmp_path):
    curves.write(frame(BON), tmp_path / "bon")
    curves.write(frame(PPO), tmp_path / "ppo")
    bon, ppo = curves.read(tmp_path / "bon"), curves.read(tmp_path / "ppo")
    assert bon.schema == ppo.schema
    assert pl.concat([bon, ppo]).height == 2


def test_columns_come_back_in_the_order_of_the_schema(tmp_path):
    curves.write(frame(BON, PPO).select(sorted(BON)), tmp_path / "c")
    assert curves.read(tmp_path / "c").columns == list(BON)


@pytest.mark.parametrize("model", [Curves, ByPrompt])
def test_every_column_says_its_unit_and_meaning(model):
    for name, column in model.to_schema().columns.items():
        assert column.description, name
        assert column.metadata["unit"], name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kl": -0.1}, "column 'kl', row 1 .*: found -0.1, expected at least 0"),
        ({"kl": math.nan}, "column 'kl', row 1 .*: found no value or nan"),
        ({"gold": None}, "column 'gold', row 1 .*: found no value or nan"),
        (
            {"method": "dice"},
            r"column 'method', row 1 .*: found dice, expected one of \['bon', 'tilt', .*'slic', .*'grpo'\]",
        ),
        ({"ensemble": "best of 5"}, "column 'ensemble', row 1 .*: found best of 5, expected text like"),
        ({"kl_kind": "k9"}, "column 'kl_kind', row 1 .*: found k9, expected one of"),
        ({"rm_accuracy": 1.5}, "column 'rm_accuracy', row 1 .*: found 1.5, expected at most 1"),
        ({"entropy": math.nan}, "column 'entropy', row 1 .*: found nan, expected a finite number"),
        ({"gate": 1.5}, "column 'gate', row 1 .*: found 1.5, expected at most 1"),
        ({"prompts": 0}, "column 'prompts', row 1 .*: found 0, expected at least 1"),
        ({"n": None}, "columns 'n' and 'step' and 'temperature', row 1 .*: found several or none"),
        ({"step": 5}, "columns 'n' and 'step' and 'temperature', row 1 .*: found several or none"),
    ],
)
def test_refuses_a_bad_value_and_writes_nothing(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        curves.write(frame(PPO, BON | change), tmp_path / "c.parquet")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("model", "row"), [(Curves, PPO), (ByPrompt, PROMPT)])
def test_no_number_may_be_infinite(tmp_path, model, row):
    write = curves.write if model is Curves else curves.write_by_prompt
    numbers = [name for name, column in model.to_schema().columns.items() if column.dtype.type == pl.Float64]
    assert len(numbers) >= 3
    for name in numbers:
        with pytest.raises(
            UserError, match=f"column '{name}', row 0 .*: found inf, expected a finite number"
        ):
            write(frame(row | {name: math.inf}), tmp_path / "c.parquet")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (frame(BON, PPO).drop("kl"), "found no column 'kl', expected one"),
        (
            frame(BON, PPO).with_columns(luck=1),
            "found a column 'luck', expected only those of the Curves table",
        ),
        (frame(BON, PPO).with_columns(kl=pl.lit("a")), "column 'kl': found type String, expected Float64"),
        (frame(BON, PPO).with_columns(seed=pl.lit(0.0)), "column 'seed': found type Float64, expected Int64"),
        (pl.DataFrame(), "found no column 'study'"),
    ],
)
def test_refuses_other_columns_and_types(tmp_path, table, message):
    path = tmp_path / "c.parquet"
    with pytest.raises(UserError, match=f"{path}: {message}"):
        curves.write(table, path)
    table.with_columns(pl.selectors.by_dtype(pl.Null).cast(pl.Float64)).write_parquet(path)
    with pytest.raises(UserError, match=f"{path}: {message}"):  # what is read is checked as well
        curves.read(path)


def test_a_failed_write_leaves_the_old_table(tmp_path, monkeypatch):
    path = tmp_path / "curves.parquet"
    curves.write(frame(BON), path)

    def full(self, file):
        file.write_bytes(b"half of a")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(UserError, match=r"could not be written .No space left on device."):
        curves.write(frame(PPO), path)
    monkeypatch.undo()
    assert curves.read(path).rows(named=True) == [BON]
    assert os.listdir(tmp_path) == ["curves.parquet"]


def test_refuses_files_that_are_not_there_or_not_tables(tmp_path):
    with pytest.raises(UserError, match="found no file"):
        curves.read(tmp_path / "none")
    (tmp_path / "text").write_text("kl,gold\n1,2\n")
    with pytest.raises(UserError, match="found something else or a damaged file"):
        curves.read(tmp_path / "text")
    curves.write(frame(BON), tmp_path / "whole")
    (tmp_path / "half").write_bytes((tmp_path / "whole").read_bytes()[:-50])
    with pytest.raises(UserError, match="damaged file"):
        curves.read(tmp_path / "half")
    with pytest.raises(UserError, match="found no folder"):
        curves.write(frame(BON), tmp_path / "no" / "c")


def test_prompt_curve_orders_points_and_prompts(tmp_path):
    rows = [
        PROMPT | {"n": n, "prompt": p, "gold": 10.0 * n + p, "proxy": -float(p), "kl": float(n)}
        for n in (4, 1, 2)
        for p in (2, 0, 1)
    ]
    other = PROMPT | {"record": "q", "gold": 99.0}
    curves.write_by_prompt(frame(*rows, other), tmp_path / "p")
    table = curves.read_by_prompt(tmp_path / "p")
    got = curves.prompt_curve(table, "r")
    np.testing.assert_array_equal(got["gold"], [[10, 11, 12], [20, 21, 22], [40, 41, 42]])
    np.testing.assert_array_equal(got["kl"], np.repeat([[1.0], [2.0], [4.0]], 3, axis=1))
    np.testing.assert_array_equal(got["proxy"], [[0, -1, -2]] * 3)
    with pytest.raises(UserError, match="found no record 'z'"):
        curves.prompt_curve(table, "z")
    with pytest.raises(UserError, match="found gaps or repeats in record 'r'"):
        curves.prompt_curve(table[1:], "r")
    with pytest.raises(UserError, match="found gaps or repeats in record 'r'"):
        curves.prompt_curve(pl.concat([table[1:], table[1:2]]), "r")
