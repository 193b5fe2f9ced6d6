"""Verdicts come from the table: flip the data, and the verdict flips."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from fake_evidence import evidence

from overopt.analysis import law_tables
from overopt.analysis.claims import coefficients, data, methods, outcome, prediction, shape, theory, verdicts
from overopt.analysis.claims.outcome import Outcome, jointly
from overopt.analysis.evidence import Evidence
from overopt.report import charts, figures, strictness, tables


def test_one_prompt_and_one_seed_crash_nothing_and_show_no_interval():
    def first(table):
        if "prompts" in table.columns:
            return table.with_columns(
                pl.lit(None, dtype=pl.Float64).alias(f"{s}_se") for s in ("gold", "proxy")
            )
        return table.filter(prompt=0)

    e = evidence(first, seeds=1)
    entries = {entry["claim"]: entry for entry in verdicts.as_data(verdicts.judge(e))}
    assert len(entries) == 20
    assert entries[1]["verdict"] == entries[2]["verdict"] == "cannot tell"
    laws = law_tables.coefficients(e)
    assert set(laws.filter(source="here")["shape"]) == {"unfitted"}
    rows = tables.TABLES["tab-coefficients"].cells(laws.filter(source="here"))
    assert all(cell.endswith("[—,\u00a0—]") for row in rows for cell in row[5:])
    for method in ("bon", "ppo"):
        assert e.sizes.of(method)["gold_se"].is_nan().all()
        law = e.sizes.law_lines(method)
        assert law["gold"].is_finite().all()
        mean, peaks = e.sizes.of(method), e.sizes.peaks(method)
        chart = figures.gold_and_proxy(mean, law, peaks, description="one prompt")
        assert "NaN" not in charts.page_html(chart.to_dict())


class Only(Evidence):
    """Evidence of which only some parts are known."""

    def __init__(self, **parts):
        self.__dict__.update(parts)


def verdict(number, of):
    return next(claim for claim in verdicts.CLAIMS if claim.number == number).judge(of).verdict


def test_twenty_claims_with_a_rule_and_a_figure_each():
    assert [claim.number for claim in verdicts.CLAIMS] == list(range(1, 21))
    for claim in verdicts.CLAIMS:
        assert claim.text.endswith(".")
        assert "olds" in claim.rule
        page, _, figure = claim.figure.partition(".html#")
        assert page
        assert figure.startswith("fig-")


@pytest.mark.parametrize(
    ("number", "thresholds"),
    [
        (1, [f"{shape.BEYOND} times", outcome.fraction(outcome.MOST), outcome.fraction(outcome.FEW)]),
        (2, [f"{shape.BEYOND} times", outcome.fraction(outcome.MOST), outcome.fraction(outcome.FEW)]),
        (3, [f"below {shape.GOOD:.0%};", f"below {shape.FAIR:.0%};"]),
        (4, [f"below {shape.GOOD:.0%};", f"below {shape.FAIR:.0%};"]),
        (6, [f"±{coefficients.FLAT:.0%}"]),
        (8, [f"below {0.5 + data.CHANCE:.2f}", f"above {0.5 + data.LEARNED:.2f}"]),
        (9, [f"above {data.EQUAL_LOSS}"]),
        (10, [f"below {outcome.fraction(data.REPEATED)}"]),
        (11, [f"a factor of {data.PEAKS_APART}"]),
        (12, [outcome.fraction(methods.LEVEL), f"above {methods.MORE_KL}"]),
        (14, [f"±{methods.SAME} SDs", f"at most {methods.MATCHED:.0%}"]),
        (15, [f"{methods.EARLIEST} nats", "between {} and {}".format(*methods.QUADRATIC)]),
        (
            16,
            [
                f"{prediction.SPLIT:.0%}",
                f"below {prediction.SMALL:.2f} SDs",
                f"above {prediction.LARGE:.2f}.",
            ],
        ),
        (19, [f"within {theory.CLOSE:.0%} of 1", f"over {theory.OFF:.0%} off"]),
        (20, [f"between {1 - theory.ADDED:g} and {1 + theory.ADDED:g}"]),
    ],
)
def test_a_rule_names_its_thresholds(number, thresholds):
    claim = verdicts.CLAIMS[number - 1]
    assert claim.number == number
    for threshold in thresholds:
        assert threshold in claim.rule


@pytest.mark.parametrize(
    ("share", "words"), [(0.25, "a quarter"), (0.5, "one half"), (0.75, "three quarters"), (0.6, "60%")]
)
def test_shares_in_words(share, words):
    assert outcome.fraction(share) == words


def test_as_data_every_claim_has_its_fields():
    judged = verdicts.judge(evidence())
    entries = verdicts.as_data(judged)
    assert len(entries) == 20
    for entry in entries:
        assert set(entry) == {
            "claim",
            "text",
            "verdict",
            "statistic",
            "interval",
            "measured",
            "rule",
            "figure",
            "check",
            "by_strictness",
            "by_gold_alone",
        }
        assert entry["verdict"] in ("holds", "partly", "does not hold", "cannot tell")
        assert entry["statistic"] is None or math.isfinite(entry["statistic"])
        if entry["verdict"] in ("holds", "does not hold"):
            assert entry["statistic"] is not None
            assert len(entry["interval"]) == 2


KL = pl.col("kl")


@pytest.mark.parametrize(
    ("number", "true", "false"),
    [
        (1, {"gold": KL.sqrt() * (1 - 0.35 * KL.sqrt())}, {"gold": KL.sqrt()}),
        (2, {"gold": KL.sqrt() * (1 - 0.5 * KL.sqrt())}, {"gold": KL.sqrt()}),
        (3, {"gold": KL.sqrt() * (1 - 0.3 * KL.sqrt())}, {"gold": (3 * KL).sin()}),
        (4, {"gold": KL.sqrt() * (1 - 0.4 * KL.sqrt().clip(0.01).log())}, {"gold": KL.sin()}),
        (12, {"gold": pl.when(pl.col("step").is_null()).then(KL).otherwise(KL / 8)}, {"gold": KL}),
        (13, {"gold": pl.col("proxy")}, {"gold": KL}),
        (15, {"kl": pl.when(pl.col("step") > 0).then((pl.col("step") / 300.0) ** 2).otherwise(KL), "gold": KL},
             {"kl": pl.when(pl.col("step") > 0).then(pl.col("step") / 300.0).otherwise(KL), "gold": KL}),
        (17, {"gold": KL.sqrt() * (1 - 0.4 * KL.sqrt().clip(0.01).log())},
             {"gold": KL.sqrt() * (1.4 - 0.8 * (1 + KL.sqrt()).log())}),
        (18, {"gold": KL.sqrt() * (1 - 0.3 * KL.sqrt()) , "proxy": (2 * KL).sin()},
             {"gold": (2 * KL).sin(), "proxy": KL.sqrt() * (1 - 0.3 * KL.sqrt())}),
    ],
)  # fmt: skip
def test_flipped_data_flip_the_verdict(number, true, false):
    noise = {"gold_se": pl.lit(0.01), "proxy_se": pl.lit(0.01)}

    def changed(values):
        def change(table):
            extra = noise if "gold_se" in table.columns else {}
            return table.with_columns(**values).with_columns(**extra)

        return change

    assert verdict(number, evidence(changed(true))) == "holds"
    assert verdict(number, evidence(changed(false))) in ("does not hold", "cannot tell")


def sizes_laws(alpha, beta):
    """Gold that follows both laws, with coefficients that are functions of the place among four sizes."""
    place = (pl.col("rm_params").log10() - 3) / 3
    d = KL.sqrt()
    bon = d * (alpha(place) - beta(place) * d)
    ppo = d * (0.5 - beta(place) * d.clip(0.01).log())
    return pl.when(pl.col("step").is_null()).then(bon).otherwise(ppo)


@pytest.mark.parametrize(
    ("alpha", "beta", "found"),
    [
        (lambda x: 0.5 + 0.4 * x, lambda x: 0.3 - 0.15 * x, "holds"),
        (lambda x: 0.9 - 0.4 * x, lambda x: 0.15 + 0.15 * x, "does not hold"),
    ],
)
def test_coefficients_that_follow_size(alpha, beta, found):
    def change(table):
        if "rm_params" not in table.columns:
            table = table.with_columns(
                rm_params=pl.col("record").str.split("-").list.get(1).cast(pl.Int64), proxy=pl.col("proxy")
            )
            rng = np.random.default_rng(0)
            noise = pl.Series(rng.normal(0, 0.02, table.height))
            gold = sizes_laws(alpha, beta) + noise * (KL > 0)
            return table.with_columns(gold=gold).drop("rm_params")
        return table.with_columns(gold=sizes_laws(alpha, beta), gold_se=pl.lit(0.005))

    e = evidence(change)
    assert verdict(5, e) == found
    assert verdict(6, e) == "holds"  # alpha of PPO is .5 at every size


def cells(**columns):
    pairs = SimpleNamespace(count=10_000, validation=0.1)
    results = SimpleNamespace(study=SimpleNamespace(pairs=pairs))
    return Only(grid=pl.DataFrame(columns), results=results)


@pytest.mark.parametrize(
    ("accuracy", "found"),
    [((0.51, 0.6, 0.7), "holds"), ((0.62, 0.65, 0.7), "does not hold"), ((0.5, 0.5, 0.52), "cannot tell")],
)
def test_a_threshold_of_data(accuracy, found):
    grid = cells(rm_params=[1, 1, 1], pairs=[100, 1000, 10_000], rm_accuracy=accuracy)
    assert data.few_pairs_are_chance.judge(grid).verdict == found


def test_a_threshold_names_how_many_sizes_had_so_few_pairs():
    few = cells(
        rm_params=[1, 1, 1, 2, 2],
        pairs=[100, 1000, 10_000, 1000, 10_000],
        rm_accuracy=[0.51, 0.6, 0.7, 0.6, 0.7],
    )
    assert (
        "near chance up to 100 pairs: the 1 size with so few, the"
        in data.few_pairs_are_chance.judge(few).measured
    )
    every = cells(rm_params=[1, 1, 1], pairs=[100, 1000, 10_000], rm_accuracy=[0.51, 0.6, 0.7])
    assert "near chance up to 100 pairs: all sizes, the" in data.few_pairs_are_chance.judge(every).measured


def test_loss_tells_robustness_only_where_it_does():
    rng = np.random.default_rng(0)
    loss = rng.uniform(0.5, 0.69, 40)
    tells = data.loss_tells_robustness.judge(cells(rm_loss=loss, gold_end=(0.69 - loss) * 8))
    does_not = data.loss_tells_robustness.judge(cells(rm_loss=loss, gold_end=rng.normal(size=40)))
    assert (tells.verdict, does_not.verdict) == ("holds", "does not hold")


@pytest.mark.parametrize(("repeated", "found"), [(0.1, "holds"), (0.9, "does not hold")])
def test_epochs_against_unique_data(repeated, found):
    """Wide errors tell nothing, though their interval holds what is claimed."""
    rows = [(500, 1, 0.2), (2000, 1, 1.2), (500, 4, 0.2 + repeated)]
    table = pl.DataFrame(rows, schema=["pairs", "epochs", "gold"], orient="row").with_columns(gold_se=0.02)
    assert data.unique_beats_epochs.judge(Only(epochs=table)).verdict == found
    noisy = table.with_columns(gold_se=0.3)
    assert data.unique_beats_epochs.judge(Only(epochs=noisy)).verdict == "cannot tell"


def rounds(gold, *, gold_se=0.02, added_se=0.05):
    """Two rounds, of which the formula says that they add 0.8 SDs to one of 0.2."""
    rows = [(1, 0.2, 0.02, 0.2, 0.02, 0.0, 0.0), (2, gold, gold_se, 1.0, 0.02, 0.8, added_se)]
    names = ["rounds", "gold", "gold_se", "predicted", "predicted_se", "added", "added_se"]
    return Only(rounds=pl.DataFrame(rows, schema=names, orient="row"))


@pytest.mark.parametrize(
    ("measured", "errors", "found"),
    [
        (1.02, {}, "holds"),
        (0.5, {}, "partly"),
        (0.1, {}, "does not hold"),
        (1.02, {"gold_se": 0.5}, "cannot tell"),  # a wide interval holds the formula, and half of all else
        (1.02, {"added_se": 0.5}, "cannot tell"),  # nothing may be added at all
    ],
)
def test_rounds_against_the_formula(measured, errors, found):
    outcome = theory.rounds_follow_the_formula.judge(rounds(measured, **errors))
    assert outcome.verdict == found
    assert ("tells nothing" in outcome.measured) == ("added_se" in errors)


@pytest.mark.parametrize(
    ("golds", "found"),
    [
        ((1.02, 1.82), "holds"),
        ((0.3, 0.9), "partly"),  # more rounds end above fewer
        ((0.3, 0.3), "does not hold"),
        ((1.02,), "holds"),
        ((0.1,), "does not hold"),  # nothing is there that it could lie above
    ],
)
def test_rounds_are_judged_where_no_single_run_came_so_far(golds, found):
    rows = [(2 * k, gold, 0.02, 0.2 + 0.8 * k, 0.02, 0.8 * k, 0.05) for k, gold in enumerate(golds, 1)]
    names = ["rounds", "gold", "gold_se", "predicted", "predicted_se", "added", "added_se"]
    outcome = theory.rounds_follow_the_formula.judge(
        Only(rounds=pl.DataFrame(rows, schema=names, orient="row"))
    )
    assert outcome.verdict == found
    assert outcome.measured.startswith("No run without rounds came so far; 2 rounds: gold")


def test_regressional_goodhart_is_a_check_of_what_theory_says():
    assert [claim.number for claim in verdicts.CLAIMS if claim.check] == [19]
    assert theory.regressional.judge(Only(), prompts=1000, samples=256).verdict == "holds"


@pytest.mark.parametrize(
    ("bon", "ppo", "found"),
    [
        ((0.02, 0.08), (0.02, 0.08), "holds"),
        ((0.02, 0.08), (0.02, 0.40), "partly"),
        ((0.15, 0.20), (0.15, 0.20), "partly"),
        ((0.02, 0.30), (0.02, 0.30), "cannot tell"),
        ((0.30, 0.40), (0.02, 0.08), "does not hold"),
    ],
)
def test_extrapolation(monkeypatch, bon, ppo, found):
    for name, ends in {"bon_prediction": bon, "ppo_prediction": ppo}.items():
        monkeypatch.setattr(prediction, name, lambda _, ends=ends: (sum(ends) / 2, ends))
    assert prediction.extrapolates.judge(Only()).verdict == found


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        (("holds", "holds"), "holds"),
        (("holds", "does not hold"), "partly"),
        (("cannot tell", "does not hold"), "does not hold"),
        (("cannot tell", "cannot tell"), "cannot tell"),
    ],
)
def test_claims_of_several_parts(parts, found):
    assert jointly([Outcome(part, 0.0, (0.0, 0.0), "") for part in parts]) == found


def judged_by_other_gates(results):
    """The same with scores by golds of another strictness: the lenient one as gold, the strict one displeased."""
    columns = {name: pl.col("gold") for name in ("gold_lenient", "gold_strict")}
    errors = {f"{name}_se": pl.col("gold_se") for name in columns}
    other = {"gold_strict": -pl.col("gold")}
    return replace(
        results,
        curves=results.curves.with_columns(**columns | errors | other),
        by_prompt=results.by_prompt.with_columns(**columns | other),
    )


def test_golds_of_another_strictness_are_judged_where_they_judged():
    results = evidence().results
    none = [entry["by_strictness"] for entry in verdicts.judge_by_every_gold(results)]
    assert none == [{}] * 20
    entries = verdicts.judge_by_every_gold(judged_by_other_gates(results))
    assert [entry["by_strictness"]["gold_lenient"] for entry in entries] == [
        entry["verdict"] for entry in entries
    ]
    assert entries[0]["by_strictness"]["gold_strict"] == "does not hold" != entries[0]["verdict"]
    assert not any(entry["by_gold_alone"] for entry in entries)
    assert strictness.say_all(entries).startswith("Where gold asks half or twice as strictly ")
    assert "left out" not in strictness.say_all(entries)


def far_curves(results, pairs):
    """Best-of-n of `results` once more, twice as far, of proxies with so many pairs; no other gold judges it."""
    far = results.curves.filter(method="bon").with_columns(kl=2 * KL, pairs=pl.lit(pairs, dtype=pl.Int64))
    of_far = pl.col("record").is_in(far["record"].unique().implode())
    by_prompt = results.by_prompt.filter(of_far).with_columns(kl=2 * KL)
    return replace(results, far=far, far_by_prompt=by_prompt)


def test_other_golds_are_not_asked_of_claims_that_rest_on_far_best_of_n():
    assert [claim.number for claim in verdicts.CLAIMS if claim.far] == [1, 16]
    results = evidence().results
    found = judged_by_other_gates(far_curves(results, 9000))
    entries = verdicts.judge_by_every_gold(found)
    silent = {entry["claim"] for entry in entries if not entry["by_strictness"]}
    assert silent == {entry["claim"] for entry in entries if entry["by_gold_alone"]} == {1, 16}
    assert "Claims 1, 16 are left out: they use far best-of-n" in strictness.say_all(entries)
    assert "far best-of-n" in strictness.say_strictness(entries[0])
    assert "far best-of-n" not in strictness.say_strictness(entries[1])
    others = verdicts.judge_by_every_gold(judged_by_other_gates(far_curves(results, 500)))
    assert not any(entry["by_gold_alone"] for entry in others)  # no claim rests on those
