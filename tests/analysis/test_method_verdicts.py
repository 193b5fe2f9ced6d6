"""Rules on methods in worlds whose answer is known: they say what is so in nearly all draws, and hardly ever what is not."""

from collections import Counter
from dataclasses import replace

import fake_evidence
import polars as pl
import pytest

from overopt.analysis import curves, method_worlds
from overopt.analysis.claims import joined, methods, stopping
from overopt.analysis.claims.elsewhere import FALL
from overopt.analysis.claims.method_verdicts import METHOD_CLAIMS, judge_methods
from overopt.analysis.evidence import Evidence
from overopt.analysis.method_worlds import AS_CLAIMED, LEVEL, METHOD_WORLDS, TURNING, MethodWorld, turning

DRAWS = 8
LETTERS = "ABCDEF"


def verdicts(drawn):
    return {item.claim.letter: item.outcome.verdict for item in judge_methods(Evidence(drawn))}


@pytest.fixture(scope="module")
def results():
    return fake_evidence.evidence().results


@pytest.fixture(scope="module")
def counted(results):
    """How often each verdict was given, by world and letter."""
    found = {}
    for world in METHOD_WORLDS:
        for seed in range(DRAWS):
            for letter, verdict in verdicts(method_worlds.draw(world, results, seed=seed)).items():
                found.setdefault((world.name, letter), Counter())[verdict] += 1
    return found


@pytest.mark.parametrize("world", METHOD_WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize("letter", LETTERS)
def test_what_is_so_is_said_and_what_is_not_is_not(counted, world, letter):
    said = counted[world.name, letter]
    if letter in world.true:
        assert said["holds"] >= DRAWS - 1, said
        assert said["does not hold"] == 0, said
    else:
        assert said["holds"] <= 1, said


@pytest.mark.parametrize(
    ("world", "letter"),
    [(TURNING, "A"), (TURNING, "B"), (TURNING, "E"), (LEVEL, "C"), (LEVEL, "D"), (LEVEL, "F")],
)
def test_what_is_surely_not_so_is_refused(counted, world, letter):
    assert counted[world.name, letter]["does not hold"] + counted[world.name, letter]["partly"] >= DRAWS - 1


def test_where_nothing_falls_there_is_nothing_to_end(counted):
    for letter in "BE":
        assert counted[LEVEL.name, letter] == {"cannot tell": DRAWS}


def test_more_noise_makes_no_claim_easier_to_pass(results):
    for world in METHOD_WORLDS:
        said = verdicts(method_worlds.draw(world, results, noise=6.0, seed=1))
        assert {letter for letter, verdict in said.items() if verdict == "holds"} <= world.true


def test_a_study_without_methods_measured_none_of_them():
    e = fake_evidence.evidence()
    outcomes = {item.claim.letter: item.outcome for item in judge_methods(e)}
    assert {outcome.verdict for outcome in outcomes.values()} == {"not measured"}
    assert outcomes["A"].measured == "Not measured in this study: best-of-n by conservative ensembles."


def test_passes_over_the_pairs_are_named_where_they_are_several(results):
    drawn = method_worlds.draw(TURNING, results)
    said = {item.claim.letter: item.outcome.measured for item in judge_methods(Evidence(drawn))}
    assert said["D"].startswith("DPO, β 0.05, 4 passes: fall ")
    once = replace(drawn, curves=drawn.curves.with_columns(epochs=pl.lit(1, pl.Int64)))
    said = {item.claim.letter: item.outcome.measured for item in judge_methods(Evidence(once))}
    assert said["D"].startswith("DPO, β 0.05: fall ")


def test_a_seed_alone_and_a_prompt_alone_crash_nothing(results):
    drawn = method_worlds.draw(AS_CLAIMED, results)
    one = replace(drawn, curves=drawn.curves.filter(seed=0), by_prompt=drawn.by_prompt.filter(prompt=0))
    assert set(verdicts(one).values()) <= {"cannot tell", "partly", "holds", "does not hold"}
    assert verdicts(one)["C"] == "cannot tell"


def test_rules_name_their_thresholds_and_sources():
    assert "".join(claim.letter for claim in METHOD_CLAIMS) == LETTERS
    assert [claim.number for claim in METHOD_CLAIMS] == list(range(1, 7))
    rules = {claim.letter: claim.rule for claim in METHOD_CLAIMS}
    for letter, threshold in {
        "A": f"{joined.GAIN:.0%}",
        "B": f"{joined.COST} SDs",
        "C": f"{joined.LITTLE} SDs",
        "D": f"{FALL} SDs",
        "E": f"{stopping.LOSS} SDs",
        "F": f"{methods.SAME} SDs",
    }.items():
        assert threshold in rules[letter]
    for claim in METHOD_CLAIMS:
        assert claim.text.endswith(".")
        assert claim.theirs.endswith(".")
        assert "https://arxiv.org/abs/" in claim.source


def test_a_gain_without_an_end_is_half_of_the_claim(results):
    """Ensembles that are higher all along, and fall as their members do."""
    higher = MethodWorld(
        "higher",
        "a gain and no end",
        lambda arm, d: turning(arm, d) * (1 + 0.5 * (arm.ensemble != "single")),
        frozenset(),
    )
    said = verdicts(method_worlds.draw(higher, results))
    assert said["A"] == "partly"
    assert said["B"] == "does not hold"


def test_simulated_tables_are_as_measured_ones(results, tmp_path):
    drawn = method_worlds.draw(AS_CLAIMED, results)
    later = [
        pl.lit(None, pl.Float64).alias(name) for name in curves.LATER if name not in drawn.curves.columns
    ]
    known = drawn.curves.filter(pl.col("method").is_in(list(curves.METHODS))).with_columns(later)
    curves.write(known, tmp_path / "curves.parquet")
    assert curves.read(tmp_path / "curves.parquet").height == known.height > 0
    curves.write_by_prompt(
        drawn.by_prompt.with_columns(
            gold_lenient=pl.lit(None, pl.Float64), gold_strict=pl.lit(None, pl.Float64)
        ),
        tmp_path / "by_prompt.parquet",
    )
    means = drawn.by_prompt.group_by("record", "n", "step").agg(pl.col("kl", "gold", "proxy").mean())
    both = drawn.curves.join(means, on=["record", "n", "step"], nulls_equal=True, suffix="_mean")
    assert both.height == drawn.curves.height
    for name in ("kl", "gold", "proxy"):
        assert (both[name] - both[f"{name}_mean"]).abs().max() < 1e-9


def test_a_penalty_is_judged_by_its_own_best(results):
    """Of two penalties one gains: the rule finds it without being told which."""
    drawn = method_worlds.draw(TURNING, results, noise=0.3)
    gains = (pl.col("method") == "ppo") & (pl.col("kl_penalty") == 0.1) & (pl.col("ensemble") == "single")
    higher = pl.col("gold") + pl.when(gains).then(0.6 * pl.col("kl").sqrt()).otherwise(0.0)
    marks = drawn.curves.filter(gains)["record"].unique().implode()
    by_prompt = drawn.by_prompt.with_columns(
        gold=pl.col("gold")
        + pl.when(pl.col("record").is_in(marks)).then(0.6 * pl.col("kl").sqrt()).otherwise(0.0)
    )
    assert verdicts(drawn)["F"] == "holds"
    assert (
        verdicts(replace(drawn, curves=drawn.curves.with_columns(gold=higher), by_prompt=by_prompt))["F"]
        == "does not hold"
    )
