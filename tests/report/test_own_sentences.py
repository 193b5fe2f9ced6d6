"""What is said of a reader's own curve follows from its numbers; a caveat stands where it applies, and not elsewhere."""

import own_files
import polars as pl
import pytest

from overopt.analysis.own_curves import own_curves
from overopt.analysis.own_findings import found
from overopt.report.own_caveats import ALWAYS, caveats
from overopt.report.own_sentences import say_finding, say_peak, say_stop

STRAIGHT = own_files.policies().with_columns(gold=0.3 * pl.col("kl").sqrt())


def of(table, folder, form=""):
    table.write_csv(folder / "own.csv")
    curve = own_curves(folder / "own.csv", form)[0]
    return curve, found(curve)


@pytest.mark.parametrize(
    ("table", "said", "stop"),
    [
        (
            own_files.policies(),
            "Yes: the proxy is overoptimised within what was measured. Gold is highest at dpo-4 (4.0 nats), 1.11 SDs above "
            "the start, and lies 0.43 ± 0.03 SDs lower at dpo-7 (20.0 nats). The proxy's own score goes on rising "
            "meanwhile, from 1.60 to 3.58 SDs.",
            "Stop at about 5.0 nats; of what was measured, dpo-4 (4.0 nats) is nearest.",
        ),
        (
            STRAIGHT,
            "Not that these numbers show: up to dpo-7 (20.0 nats) no downturn can be told from noise. Gold is highest at "
            "dpo-7 (20.0 nats), 1.34 ± 0.02 SDs above the start.",
            "Nothing measured speaks against dpo-7 (20.0 nats), the farthest; what lies beyond is not known.",
        ),
        (
            STRAIGHT.with_columns(gold=-pl.col("gold")),
            "Optimising against the proxy makes gold worse from the start: at dpo-7 (20.0 nats) it lies 1.34 ± 0.02 SDs "
            "below the start.",
            "Do not optimise against it: stay at the initial policy.",
        ),
        (
            own_files.policies(kl=own_files.KL[:3]),
            "Whether the proxy is overoptimised cannot be told from these numbers: a law needs three points at different KL "
            "above 0, and there are 2. The highest gold measured is at dpo-2 (1.0 nats).",
            "Stop at dpo-2 (1.0 nats), where the highest gold was measured.",
        ),
    ],
    ids=["falls", "rises", "harms", "unknown"],
)
def test_a_known_curve_in_words(tmp_path, table, said, stop):
    curve, finding = of(table, tmp_path)
    assert say_finding(curve, finding).replace("\u00a0", " ") == said
    assert say_stop(curve, finding).replace("\u00a0", " ") == stop


def test_scores_are_told_in_n(tmp_path):
    curve, finding = of(own_files.gains(hacked=0.05), tmp_path)
    assert say_finding(curve, finding).startswith(
        "Yes: “mine” is overoptimised within what was measured. Gold is highest at n = "
    )
    assert "(n = " in say_peak(curve, finding)
    assert "Stop at about n = " in say_stop(curve, finding) or not finding.stop.by_law
    one, nothing = of(own_files.gains(prompts=60, samples=8, noise=500.0), tmp_path)
    assert say_stop(one, nothing) == "Do not optimise against it: stay at n = 1."


def test_a_peak_outside_is_called_a_guess(tmp_path):
    curve, finding = of(own_files.policies(0.9, 0.3), tmp_path)
    assert "outside what was measured: a guess" in say_peak(curve, finding)
    assert say_peak(*of(STRAIGHT, tmp_path)) == ""


def test_the_peak_of_a_law_that_does_not_fit_is_not_told(tmp_path):
    gold = pl.when(pl.col("kl") > 8).then(-1.0).otherwise(pl.col("kl").sqrt() * 0.3)
    curve, finding = of(own_files.policies().with_columns(gold=gold), tmp_path)
    assert say_peak(curve, finding) == ""
    assert say_stop(curve, finding) == "Stop at dpo-5 (8.0 nats), where the highest gold was measured."


PLAIN = own_files.gains(prompts=30, samples=64, hacked=0.05)
BON = own_files.curve_of("bon", 0.6, 0.1).with_columns(n=pl.Series([1, 2, 4, 8, 16, 32, 64, 128]))
CASES = {
    "share their proxy score": (PLAIN, PLAIN.with_columns(pl.col("mine").round(0))),
    "One prompt says nothing": (PLAIN, own_files.gains(prompts=1)),
    "12 prompts are few": (PLAIN, own_files.gains(prompts=12)),
    "samples a prompt are few": (PLAIN, own_files.gains(prompts=30)),  # gold rises: n is the largest
    "Points of best-of-n share their samples": (own_files.policies(), BON),
    "Checkpoints of one run are one seed": (BON, own_files.policies()),
    "There is no point at KL 0": (own_files.policies(), own_files.policies()[1:]),
    "was subtracted from all points": (BON, BON.with_columns(pl.col("gold") + 3)),
    "Of the law: the sign of beta is not known": (own_files.policies(), STRAIGHT),
    "does not fit": (own_files.policies(), own_files.policies().with_columns(gold=(pl.col("kl") > 3) * 1.0)),
    "points above KL 0 are few": (own_files.policies(), own_files.policies(kl=own_files.KL[:5])),
    "is not in the file": (own_files.policies(), own_files.policies().drop("proxy")),
    "without a column `gold_se`": (own_files.policies(), own_files.policies().drop("gold_se")),
    "the interval of the peak reaches beyond": (own_files.policies(), own_files.policies(0.9, 0.362)),
}


@pytest.mark.parametrize("said", CASES)
def test_a_caveat_stands_where_it_applies_alone(tmp_path, said):
    without, with_it = (" ".join(caveats(*of(table, tmp_path))).lower() for table in CASES[said])
    assert said.lower() not in without
    assert said.lower() in with_it


def test_what_always_applies_is_said_once():
    assert len(set(ALWAYS)) == 2
