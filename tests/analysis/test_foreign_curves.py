"""A study may hold more than a slice is about: absurd curves of each kind leave every other slice and verdict alone."""

import math
from dataclasses import replace

import polars as pl
import pytest

from overopt.analysis import figure_tables, frontier, goodhart, page_tables, predictions, results
from overopt.analysis.claims.verdicts import CLAIMS
from overopt.analysis.evidence import Evidence
from overopt.analysis.known_worlds import PAPER
from overopt.analysis.simulated import Simulator
from overopt.study.study import load_study
from overopt.util.paths import ROOT

SIZES, SEEDS = (896, 19_840, 155_920), 2
ABSURD = {"gold": 50.0, "proxy": -50.0}
FEWER = 4000  # pairs of what is added with other pairs: no comparison of claim 10 has so many

# what may be foreign, what such curves are made of, and what is about them: claims by number, tables by name
KINDS = {
    "turned labels": ({"label_noise": 0.25}, pl.lit(value=True), set()),
    "ensembles": ({"ensemble": "worst of 5"}, pl.lit(value=True), set()),
    "settings": ({"setting": "clip 2"}, pl.lit(value=True), set()),
    "other methods by step": ({"method": "rloo"}, pl.col("method") == "ppo", set()),
    "direct alignment": ({"method": "dpo", "kl_penalty": 0.1}, pl.col("method") == "ppo", set()),
    "other methods by n": ({"method": "soft_bon"}, pl.col("method") == "bon", set()),
    "other policies": ({"policy_params": 7}, pl.lit(value=True), {11, "policies", "rezeroed"}),
    "epochs": ({"epochs": 3}, pl.col("epochs") == 1, {10, "epochs"}),
    "pairs": (
        {"pairs": FEWER},
        (pl.col("pairs") == 8000) & (pl.col("rm_params") == 155_920),
        {7, 8, 9, "data", "grid", "epochs", "by proxy"},
    ),
    "penalties": ({"kl_penalty": 0.5}, pl.col("method") == "ppo", {14, "penalties", "penalised ends"}),
    "rounds": ({"rounds": 3}, pl.col("method") == "ppo", {20, "iterated", "rounds", "paths"}),
}


@pytest.fixture(scope="module")
def simulated():
    """The paper's world with the runs of `published`, made smaller; tilting and gold as its own proxy are as measured."""
    found = results.read(ROOT / "results" / "published", load_study("published"))
    whole = pl.col("rm_params").is_in([0, *SIZES]) & pl.col("pairs").is_in([0, 500, 2000, 8000, 32_000])
    curves = found.curves.filter(whole, pl.col("seed") < SEEDS)
    of_runs = pl.col("record").is_in(curves["record"].unique().implode())
    smaller = replace(found, curves=curves, by_prompt=found.by_prompt.filter(of_runs))
    drawn = Simulator(smaller).draw(PAPER)
    computed = curves.filter((pl.col("method") == "tilt") | (pl.col("pairs") == 0))
    return replace(
        drawn,
        curves=pl.concat([drawn.curves, computed.select(drawn.curves.columns)], how="vertical_relaxed"),
        **far_best_of_n(drawn),
    )


def far_best_of_n(drawn):
    """Best-of-n of one seed, and 64 times as far."""
    bon = drawn.curves.filter(method="bon", pairs=8000, seed=0)
    of_prompts = drawn.by_prompt.filter(pl.col("record").is_in(bon["record"].unique().implode()))
    further = {"n": pl.col("n") * 64, "kl": pl.col("kl") + math.log(64)}
    return {
        name: pl.concat([table, table.filter(pl.col("n") > 8).with_columns(**further)])
        for name, table in {"far": bon, "far_by_prompt": of_prompts}.items()
    }


def with_foreign(found, columns, made_of):
    """Absurd copies of the curves that `made_of` is true of, with other values in `columns`."""

    def grown(curves, by_prompt):
        foreign = curves.filter(made_of).with_columns(
            **{name: pl.lit(value) for name, value in columns.items()}
        )
        foreign = foreign.with_columns(
            record="foreign-" + pl.col("record"), **{name: pl.lit(value) for name, value in ABSURD.items()}
        )
        of_prompts = by_prompt.with_columns(
            record="foreign-" + pl.col("record"), **{name: pl.lit(value) for name, value in ABSURD.items()}
        ).filter(pl.col("record").is_in(foreign["record"].unique().implode()))
        typed = foreign.cast(dict(curves.schema))
        return pl.concat([typed, curves]), pl.concat([of_prompts, by_prompt])  # the foreign ones first

    curves, by_prompt = grown(found.curves, found.by_prompt)
    far, far_by_prompt = grown(found.far, found.far_by_prompt)
    return replace(found, curves=curves, by_prompt=by_prompt, far=far, far_by_prompt=far_by_prompt)


def sorted_rows(table):
    return sorted(map(repr, table.rows()))


# what pages and claims look at, by name
LOOKS = {
    "main pairs": lambda e: e.pairs,
    "sizes": lambda e: e.sizes.curves,
    "mean": lambda e: e.sizes.mean,
    "data": lambda e: [e.data_sizes, *(e.data(size).curves for size in e.data_sizes)],
    "grid": lambda e: e.grid,
    "by proxy": page_tables.highest_by_proxy,
    "epochs": lambda e: e.epochs,
    "policies": lambda e: [e.policies(size).curves for size in e.policy_proxies],
    "rezeroed": figure_tables.rezeroed,
    "penalties": lambda e: [e.penalties(size).curves for size in e.penalty_proxies],
    "penalised ends": figure_tables.penalty_ends,
    "iterated": lambda e: e.iterated,
    "rounds": lambda e: e.rounds,
    "paths": goodhart.round_paths,
    "far": lambda e: e.far.curves,
    "far errors": predictions.far_error,
    "frontier": lambda e: frontier.tilted(e, pairs=e.pairs),
    "perfect": goodhart.perfect,
}


def seen(found, without):
    """Every look and every claim's outcome as text, but those named."""
    e = Evidence(found)
    told = {}
    for name, look in LOOKS.items():
        if name not in without:
            values = look(e)
            values = values if isinstance(values, list) else [values]
            told[name] = [sorted_rows(v) if isinstance(v, pl.DataFrame) else v for v in values]
    for claim in CLAIMS:
        if claim.number not in without:
            told[claim.number] = repr(claim.judge(e))
    return told


@pytest.fixture(scope="module")
def alone(simulated):
    return seen(simulated, set())


def test_every_look_has_something_to_see(alone):
    for name, values in alone.items():
        assert values != [[]], name
    unmeasured = {name for name, value in alone.items() if "Not measured" in value}
    assert not unmeasured


@pytest.mark.parametrize("kind", KINDS)
def test_foreign_curves_change_nothing(simulated, alone, kind):
    columns, made_of, about = KINDS[kind]
    found = seen(with_foreign(simulated, columns, made_of), about)
    assert {name: found[name] for name in found if found[name] != alone[name]} == {}
    assert set(alone) - set(found) == about
