"""What pages say of gold without its rule on repetition."""

import polars as pl
import pytest
from fake_evidence import evidence

from overopt.report import tables, unruled


def judged(records, unruled_far):
    """Texts near the start, worth 1 with and without the rule, and far ones that repeat themselves."""
    rows = [(record, 3.0, 1.0, False, 1.0) for record in records]
    rows += [(record, 30.0, -1.4, True, unruled_far) for record in records]
    return pl.DataFrame(rows, schema=["record", "kl", "gold", "repeats", "unruled"], orient="row")


@pytest.mark.parametrize(
    ("far", "said"),
    [(-0.5, "falls without the rule as well"), (1.2, "does not surely fall without the rule")],
)
def test_the_sentence_follows_the_numbers(monkeypatch, far, said):
    e = evidence()
    records = e.sizes.curves.filter(method="ppo")["record"].unique().to_list()
    monkeypatch.setattr(unruled, "judged", lambda study: judged(records, far))
    sentence = unruled.say_unruled(e)
    assert sentence.endswith(f"gold {said}.")
    assert f"Of {len(records)} texts that PPO wrote beyond 20 nats 100% do." in sentence
    shown = tables.printed("tab-unruled", unruled.by_kl(e), "Texts.")
    assert "| 2 to 5 |" in shown
    assert "| from 20 |" in shown


def test_of_a_study_that_nobody_asked_about_nothing_is_said():
    e = evidence()
    assert unruled.say_unruled(e) == ""
    assert "did not measure" in tables.printed("tab-unruled", unruled.by_kl(e), "Texts.")
