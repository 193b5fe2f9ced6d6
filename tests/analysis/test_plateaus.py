"""Runs whose proxy score has stopped rising, on invented curves."""

import fake_results
import polars as pl

from overopt.analysis.plateaus import plateaus
from overopt.report import sentences


def test_a_run_says_from_where_on_its_proxy_rose_no_more():
    fake, step = fake_results.load(sizes=2, seeds=1), 8 * 12**2
    held = pl.when((pl.col("step") > step) & (pl.col("record") == "ppo-1024-0")).then(pl.lit(0.5))
    found = plateaus(fake.curves, fake.by_prompt.with_columns(proxy=held.otherwise("proxy")))
    assert found["record"].to_list() == ["ppo-1024-0", "ppo-9600-0"]
    assert found["last_step"].to_list() == [8 * 19**2] * 2
    assert found["step"].to_list() == [step, None]  # the other rises to the end
    said = sentences.say_plateaus(found)
    assert said.startswith("In 1 of 2 runs the proxy's score had stopped rising before the end")
    assert "by 40 % of their steps" in said
    assert "rose to the end" in sentences.say_plateaus(found.filter(pl.col("step").is_null()))
