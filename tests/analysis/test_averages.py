"""Which curves are compared, before they are averaged."""

import polars as pl
import pytest

from overopt.analysis.averages import main_pairs


def runs(*cells):
    return pl.DataFrame(cells, schema=["method", "rm_params", "pairs"], orient="row")


@pytest.mark.parametrize(
    ("cells", "pairs"),
    [
        ([("ppo", 1, 8000), ("ppo", 2, 8000), ("ppo", 2, 32_000), ("bon", 1, 500), ("bon", 2, 500)], 8000),
        ([("ppo", 1, 8000), ("ppo", 1, 32_000)], 32_000),
        ([("bon", 1, 2000), ("bon", 2, 2000), ("bon", 2, 4000)], 2000),
    ],
)
def test_sizes_are_compared_where_most_of_them_were_optimised_against(cells, pairs):
    assert main_pairs(runs(*cells)) == pairs
