"""How charts are read: lines that are shown first, names at their ends, seeds behind means, words in tooltips."""

import itertools
import json
import shutil

import fake_results
import nbformat
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import sync_playwright

from overopt.analysis import averages
from overopt.analysis.groups import SIZES
from overopt.report import book, charts, figures
from overopt.report.figures import style
from overopt.report.figures.line_ends import LONGEST, NEAR, fits, spread
from overopt.report.figures.lines import share_along
from overopt.report.sphinx_extension import write_vega

BROWSER = next((path for path in map(shutil.which, ("chromium", "google-chrome")) if path), None)
NO_LAW = pl.DataFrame(schema={"rm_params": pl.Int64, "kl": pl.Float64, "gold": pl.Float64})


def parts(spec, name):
    """Every value of the key `name`, however deep in a chart."""
    if isinstance(spec, list):
        return [found for one in spec for found in parts(one, name)]
    if not isinstance(spec, dict):
        return []
    own = [spec[name]] if name in spec else []
    return own + [found for key, value in spec.items() if key != "datasets" for found in parts(value, name)]


def central(sizes=4, seeds=2, method="ppo"):
    """The central figure of synthetic results, as a dict."""
    curves = fake_results.load(sizes=sizes, seeds=seeds).curves.filter(method=method)
    return figures.gold_and_proxy(averages.averaged(curves), NO_LAW, runs=curves, description="x").to_dict()


def rows(spec):
    return max(spec["datasets"].values(), key=len)


def others(sizes=4, seeds=2):
    r = fake_results.load(sizes=sizes, seeds=seeds)
    mean, ppo = averages.averaged(r.curves), r.curves.filter(method="ppo")
    drawn = [
        figures.gold_against_proxy(mean, description="x"),
        figures.kl_against_step(ppo, description="x"),
        figures.ppo_health(ppo, description="x"),
        figures.kl_estimators(ppo, description="x"),
        figures.lines(mean, "kl", "gold", "gold (SDs)", kind="method", description="x"),
        figures.gold_scores([0.1, 0.2, 0.4], description="x"),
        figures.gold_accuracy(r.chain["gold"]["pairs"], description="x"),
        figures.language_model_losses(r.chain["language_models"], description="x"),
    ]
    return [chart.to_dict() for chart in drawn]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
def test_three_lines_are_shown_first_and_all_in_a_picture(count):
    sizes = [10**k for k in range(count)]
    pick = style.pick_group(SIZES, sizes).param.to_dict()
    if count <= 3:
        assert "value" not in pick
    else:
        shown = [one["group"] for one in pick["value"]]
        assert [shown[0], shown[-1]] == [SIZES.label(sizes[0]), SIZES.label(sizes[-1])]
        assert len(set(shown)) == 3


def test_a_picture_fades_nothing():
    spec = central()
    assert "value" in spec["params"][0]
    assert 'opacity="0.08"' not in charts.static_svg(spec, charts.WIDE, "x-")
    assert "value" in spec["params"][0]  # the live chart keeps its first choice


def test_kinds_have_no_order_and_are_all_shown():
    data = pl.DataFrame({"kl": [0.0, 1.0] * 5, "gold": 0.5, "form": [f for f in "abcde" for _ in range(2)]})
    spec = figures.lines(data, "kl", "gold", "gold", by=figures.FORMS, description="x").to_dict()
    assert "value" not in spec["params"][0]
    (colours,) = {tuple(one["range"]) for one in parts(spec, "scale") if "#d55e00" in one.get("range", [])}
    assert colours == style.UNORDERED[:5]
    shapes = [one["scale"]["range"] for one in parts(spec, "shape") if isinstance(one, dict)]
    assert shapes == [list(style.SHAPES[:5])]


def seen(colour, matrix):
    """Linear RGB of a colour as a viewer with the matrix sees it, then its square root, about even to the eye."""
    linear = [(int(colour[k : k + 2], 16) / 255) ** 2.2 for k in (1, 3, 5)]
    return np.sqrt(np.clip(np.array(matrix) @ linear, 0, 1))


# Machado, Oliveira & Fernandes (2009), severity 1
VIEWERS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip


@pytest.mark.parametrize("viewer", VIEWERS)
def test_the_colour_blind_tell_unordered_colours_apart(viewer):
    for one, other in itertools.combinations(style.UNORDERED[:5], 2):
        assert np.linalg.norm(seen(one, VIEWERS[viewer]) - seen(other, VIEWERS[viewer])) > 0.1, (one, other)
    red, green = "#c23b22", "#5a7d1a"  # which they cannot tell apart as well
    assert np.linalg.norm(seen(red, VIEWERS["deutan"]) - seen(green, VIEWERS["deutan"])) < 0.15


def test_unordered_colours_read_on_light_and_on_dark():
    for colour in style.UNORDERED:
        linear = [(int(colour[k : k + 2], 16) / 255) ** 2.2 for k in (1, 3, 5)]
        light = float(np.dot([0.2126, 0.7152, 0.0722], linear))
        assert 1.05 / (light + 0.05) > 2.3
        assert (light + 0.05) / (0.006 + 0.05) > 3


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(-2, 2)), min_size=1, max_size=9), st.floats(0.01, 0.3))
def test_names_near_each_other_do_not_overlap(ends, gap):
    across, height = np.array(ends).T
    at = spread(across, height, gap)
    for i, j in itertools.combinations(range(len(ends)), 2):
        if abs(across[i] - across[j]) < NEAR:
            assert abs(at[i] - at[j]) > 0.9 * gap


def test_names_keep_the_order_of_their_lines_and_stay_where_there_is_room():
    at = spread(np.ones(4), np.array([0.0, 0.01, 0.02, 3.0]), 0.5)
    assert at.tolist() == sorted(at)
    assert at[3] == 3.0
    assert abs(at[1] - 0.01) < 0.01


def test_lines_are_named_at_their_ends():
    spec = central()
    (names,) = [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"]
    ends = spec["datasets"][names["data"]["name"]]
    assert [row["group"] for row in ends] == [SIZES.label(size) for size in fake_results.SIZES]
    gold = [row for row in rows(spec) if row["series"] == "gold" and row["seed"] is None]
    furthest = {row["group"]: row["kl"] for row in gold}  # rows are in the order of KL
    assert {row["group"]: row["kl"] for row in ends} == furthest
    assert spec["padding"]["right"] > 5
    assert not fits(["alone"])
    assert not fits(["short", "x" * (LONGEST + 1)])


def test_gold_of_every_seed_stands_behind_the_mean():
    spec = central(seeds=3)
    of_seeds = [row for row in rows(spec) if row["seed"] is not None]
    assert {(row["group"], row["seed"]) for row in of_seeds} == {
        (SIZES.label(size), seed) for size in fake_results.SIZES for seed in range(3)
    }
    curves = fake_results.load(seeds=3).curves.filter(method="ppo", rm_params=fake_results.SIZES[0], seed=1)
    drawn = [
        row["score"]
        for row in of_seeds
        if row["group"] == SIZES.label(fake_results.SIZES[0]) and row["seed"] == 1
    ]
    np.testing.assert_allclose(drawn, curves.sort("step")["gold"], atol=1e-4)
    widths = [layer["mark"]["strokeWidth"] for layer in spec["layer"] if layer["mark"].get("strokeWidth")]
    assert min(widths) == 0.8
    assert {row["seed"] for row in rows(central(seeds=1))} == {None}


@pytest.mark.parametrize("shape", [(4, 2), (1, 1)])
def test_a_tooltip_says_in_words_what_a_number_is(shape):
    for spec in [central(*shape), *others(*shape)]:
        entries = [entry for tooltip in parts(spec, "tooltip") for entry in tooltip]
        assert entries
        for entry in entries:
            assert entry["title"], entry
            assert "_" not in entry["title"], entry
            assert entry["title"] not in {"kl", "params", "left"}, entry
    titles = {entry["title"] for tooltip in parts(central(), "tooltip") for entry in tooltip}
    assert {"KL (nats)", "score (SDs)", "one standard error (SDs)", "score of"} <= titles


def test_a_legend_has_room_for_two_periods_of_every_dash():
    length = float(style.KEY.to_dict()["symbolSize"]) ** 0.5
    for dash in (style.DASHED, style.DOTTED):
        assert 2 * sum(dash) <= length
    for spec in (central(), *others()):
        for legend in [one["legend"] for one in parts(spec, "strokeDash") if isinstance(one, dict)]:
            assert legend["symbolSize"] == style.KEY.to_dict()["symbolSize"]


def test_data_are_downloaded_under_the_name_of_their_figure():
    page = charts.page_html(central(2, 1))
    output = nbformat.v4.new_output("display_data", {"text/html": page})
    cell = nbformat.v4.new_code_cell(
        "x", outputs=[output], metadata={"mystnb": {"figure": {"name": "fig-ppo", "caption": "x"}}}
    )
    other = nbformat.v4.new_code_cell("x", outputs=[nbformat.from_dict(json.loads(json.dumps(output)))])
    clean = book._cleaned(nbformat.v4.new_notebook(cells=[cell, other]), "page")
    named, unnamed = (one.outputs[0].data["text/html"] for one in clean.cells)
    assert 'download="fig-ppo.csv"' in named
    assert named.replace("fig-ppo.csv", "") == unnamed.replace(
        unnamed.split('download="')[1].split('"')[0], ""
    )


def test_how_to_use_a_legend_is_said_where_there_is_one():
    assert charts.HINT in charts.page_html(central(2, 1))
    assert charts.HINT not in charts.page_html(figures.pipeline(description="x").to_dict())


def test_a_legend_adds_and_removes_lines_and_the_plot_shows_all(tmp_path):
    if BROWSER is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    write_vega(tmp_path)
    script = (book.ROOT / "book" / "_static" / "charts.js").read_text(encoding="utf-8")
    (tmp_path / "charts.js").write_text(script, encoding="utf-8")
    page_html = f"<meta charset=utf-8>{charts.page_html(central())}<script src=charts.js></script>"
    (tmp_path / "page.html").write_text(page_html, encoding="utf-8")
    names = [SIZES.label(size) for size in fake_results.SIZES]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        page = chromium.new_page(viewport={"width": 800, "height": 700})
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_selector(".oo-drawn")
        texts, legend = (
            page.locator(".oo-live .mark-text.role-mark text"),
            page.locator(".oo-live .role-legend-symbol path"),
        )

        def shown():
            page.wait_for_timeout(400)
            return [
                one.text_content() for one in texts.all() if float(one.get_attribute("opacity") or 1) == 1
            ]

        assert shown() == [names[0], *names[2:]]
        legend.nth(1).click()
        assert shown() == names
        legend.nth(0).click()
        assert shown() == names[1:]
        box = page.locator(".oo-live .mark-line.role-mark").first.bounding_box()
        page.mouse.click(box["x"] + 5, box["y"] + box["height"] / 4)
        assert shown() == names
        chromium.close()


def test_lines_over_whole_numbers_are_named_at_their_ends():
    sizes, pairs = [1_000, 1_000, 20_000, 20_000], [128, 2_000] * 2
    data = pl.DataFrame({"rm_params": sizes, "pairs": pairs, "gold": [0.0, 0.5, 0.1, 1.0]})
    spec = figures.lines(data, "pairs", "gold", "gold (SDs)", description="x").to_dict()
    (names,) = [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"]
    ends = spec["datasets"][names["data"]["name"]]
    assert [(row["group"], row["pairs"], row["gold"]) for row in ends] == [
        ("1k", 2_000, 0.5),
        ("20k", 2_000, 1.0),
    ]
    shares = data.select(share_along("pairs", 128, 2_000))["pairs"]
    assert shares.to_list() == [0, 1, 0, 1]
