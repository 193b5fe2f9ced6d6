"""Figures, the page renderer, and the sentences and tables around them, on synthetic results."""

import base64
import io
import json
import re

import altair as alt
import fake_results
import numpy as np
import polars as pl
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from overopt.analysis import averages, fitted_laws, laws_by_decade, laws_elsewhere
from overopt.analysis.groups import PENALTIES
from overopt.analysis.ppo_sweep import LEVELS
from overopt.report import charts, figures, myst, sentences, tables, texts
from overopt.report.figures.optimisation import MOST_POINTS, thinned
from overopt.report.figures.style import PAPER_INK, ordered_colours
from overopt.util.words import short_number


@pytest.fixture(scope="module", params=[(4, 2), (1, 1)], ids=["4 sizes, 2 seeds", "1 size, 1 seed"])
def drawings(request):
    """Every figure of the book, by name."""
    sizes, seeds = request.param
    r = fake_results.load(sizes=sizes, seeds=seeds)
    curves = averages.plain_curves(r.curves, fake_results.POLICY)
    mean = averages.averaged(curves)
    fits = fitted_laws.fitted(curves, r.by_prompt, draws=50)
    ppo = curves.filter(method="ppo")
    proxies = curves.group_by("rm_params", "seed").agg(pl.col("rm_loss", "rm_accuracy").first())
    about = {"description": "What the chart shows."}
    return {
        "bon": figures.gold_and_proxy(mean.filter(method="bon"), fitted_laws.law_lines(fits, "bon"), **about),
        "ppo": figures.gold_and_proxy(
            mean.filter(method="ppo"),
            fitted_laws.law_lines(fits, "ppo"),
            averages.measured_peaks(mean, "ppo"),
            paper=laws_elsewhere.paper_lines("ppo", float(mean["kl"].max())),
            **about,
        ),
        "coefficients": figures.coefficients(
            fitted_laws.coefficient_table(fits, "bon"),
            laws_elsewhere.paper("bon"),
            title="best-of-n",
            **about,
        ),
        "across decades": figures.across_decades(_points(), "size", **about),
        "PPO coefficients": figures.coefficients(
            fitted_laws.coefficient_table(fits, "ppo"), laws_elsewhere.paper("ppo"), title="PPO", **about
        ),
        "gold against proxy": figures.gold_against_proxy(mean, **about),
        "kl": figures.kl_against_step(ppo, **about),
        "estimators": figures.kl_estimators(ppo, **about),
        "health": figures.ppo_health(ppo, **about),
        "language models": figures.language_model_losses(r.chain["language_models"], **about),
        "gold scores": figures.gold_scores(r.chain["gold_base_scores"], **about),
        "gold accuracy": figures.gold_accuracy(r.chain["gold"]["pairs"], **about),
        "proxies": figures.proxy_validation(proxies, **about),
        "lines": figures.lines(mean.filter(method="bon"), "kl", "gold", "gold", **about),
        "kinds": figures.lines(mean, "kl", "gold", "gold", kind="method", rule=0.0, **about),
        "pipeline": figures.pipeline(**about),
    }


def _points():
    """Coefficients of ours, with ends, and of the paper's, without."""
    known = laws_by_decade.POINTS
    rows = [
        (source, "bon", name, "size", 1000 * 10**k, 10.0**k / 1e4, 9_000, value, *ends)
        for source, ends in (("paper", (None, None)), ("here", (0.1, 0.9)))
        for name, value in (("alpha", 0.5), ("beta", 0.2))
        for k in range(4)
    ]
    return pl.DataFrame(rows, schema=known, orient="row")


def test_every_figure_is_valid_described_and_drawn(drawings):
    for name, chart in drawings.items():
        spec = chart.to_dict()  # altair checks it against the Vega-Lite schema
        assert spec["description"], name
        for width in (charts.WIDE, charts.NARROW):
            svg = charts.static_svg(spec, width, "x-")
            assert svg.startswith("<svg"), name
            assert svg.count("<path") > 3, name


def test_the_paper_stands_beside_us_in_grey_and_by_name(drawings):
    svg = charts.static_svg(drawings["ppo"].to_dict(), charts.WIDE, "x-")
    assert "paper's β, 3M" in svg
    assert "paper's β, 3B" in svg
    assert svg.count(PAPER_INK) >= 4  # two lines, two names
    assert PAPER_INK not in charts.static_svg(drawings["bon"].to_dict(), charts.WIDE, "x-")
    alone = [
        len([view for view in panel["layer"] if view["mark"].get("color") == PAPER_INK])
        for panel in drawings["PPO coefficients"].to_dict()["concat"]
    ]
    assert alone == [0, 3]  # nobody read off alpha of RL


def test_a_legend_of_sizes_selects_by_click(drawings):
    for name in ("bon", "ppo", "gold against proxy", "kl", "health", "lines", "kinds"):
        params = drawings[name].to_dict()["params"]
        assert [param["bind"] for param in params] == ["legend"], name
        assert params[0]["select"]["fields"] == ["group"], name


def test_the_page_has_no_ink_that_only_one_theme_can_show(drawings):
    for name, chart in drawings.items():
        svg = charts.static_svg(chart.to_dict(), charts.WIDE, "x-")
        inks = set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{3,6}|black|white)"', svg))
        assert not inks & {"#000", "#000000", "#fff", "#ffffff", "black", "white"}, name


def test_a_chart_brings_its_data_as_csv(drawings):
    html = charts.page_html(drawings["lines"].to_dict())
    (data,) = re.findall(r'href="data:text/csv;base64,([^"]+)"', html)
    table = pl.read_csv(io.BytesIO(base64.b64decode(data)))
    assert {"group", "kl", "gold", "low", "high"} <= set(table.columns)
    assert table.height == max(map(len, drawings["lines"].to_dict()["datasets"].values()))


def test_the_same_chart_is_the_same_bytes(drawings):
    spec = drawings["bon"].to_dict()
    assert charts.page_html(spec) == charts.page_html(json.loads(json.dumps(spec)))


def test_html_holds_two_pictures_and_the_chart():
    chart = (
        alt.Chart(pl.DataFrame({"x": [1], "t": ["</script>"]})).mark_point().encode(x="x:Q", tooltip="t:N")
    )
    html = charts.page_html(chart.properties(description='"quoted" & <b>').to_dict())
    assert html.count("<svg") == 2
    assert html.count("</script>") == 1
    spec = json.loads(re.search(r'<script type="application/json">(.*)</script>', html).group(1))
    assert next(iter(spec["datasets"].values())) == [{"x": 1, "t": "</script>"}]
    assert 'aria-label="&quot;quoted&quot; &amp; &lt;b&gt;"' in html


def test_two_pictures_never_share_an_id(drawings):
    html = charts.page_html(drawings["bon"].to_dict()) + charts.page_html(drawings["ppo"].to_dict())
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("width", "columns"), [(800, 2), (340, 1)])
def test_a_concatenation_takes_the_columns_that_fit(drawings, width, columns):
    spec = drawings["proxies"].to_dict()
    spec_before = json.dumps(spec)
    fitted = charts.sized(spec, width)
    assert fitted["columns"] == columns
    assert columns * fitted["concat"][0]["width"] < width
    assert json.dumps(spec) == spec_before


def test_thinning_keeps_ends_and_order():
    n = 1024
    kl = np.linspace(0, 6, n)
    points = pl.DataFrame({"rm_params": [1] * n, "place": np.sqrt(kl), "kl": kl, "gold": kl})
    few = thinned(points)
    assert few.height <= MOST_POINTS
    assert few["kl"][0] == kl[0]
    assert few["kl"][-1] == kl[-1]
    assert few["kl"].is_sorted()


def test_thinning_leaves_short_curves_alone():
    kl = np.linspace(0, 6, 11)
    points = pl.DataFrame({"rm_params": [1] * 11, "place": kl, "kl": kl, "gold": np.zeros(11)})
    assert thinned(points).equals(points)


@pytest.mark.parametrize(
    ("value", "word"), [(840, "840"), (9_600, "9.6k"), (98_304, "98.3k"), (1_048_576, "1.05M"), (6e9, "6B")]
)
def test_short_numbers(value, word):
    assert short_number(value) == word


def test_colours_read_on_light_and_on_dark():
    """Contrast of at least 2.3 with white and 3 with the theme's dark ground, and lightness falls in order."""

    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    for count in (1, 2, 4, 9):
        values = [luminance(colour) for colour in ordered_colours(count)]
        assert all(1.05 / (value + 0.05) > 2.3 for value in values)
        assert all((value + 0.05) / (luminance("#121212") + 0.05) > 3 for value in values)
        assert values == sorted(values, reverse=True)


def curve(gold, *, kl=None, se=0.01, **more):
    rows = {"kl": kl or list(range(len(gold))), "gold": gold, "gold_se": [se] * len(gold)}
    rows |= {"proxy": gold, "proxy_se": [se] * len(gold), "n": [2**k for k in range(len(gold))]}
    words = {"method": "bon", "rm_params": 1, "record": "a", "kl_penalty": 0.0} | more
    return pl.DataFrame(
        {name: pl.Series(name, value, strict=False) for name, value in rows.items()}
    ).with_columns(**{name: pl.lit(value) for name, value in words.items()})


def test_averaging_adds_the_spread_over_seeds_to_the_error():
    both = pl.concat([curve([0.0, 1.0], record="a"), curve([0.0, 3.0], record="b")])
    mean = averages.averaged(both)
    assert mean["gold"].to_list() == [0.0, 2.0]
    np.testing.assert_allclose(mean["gold_se"], [0.01, np.sqrt(0.01**2 + 2 / 2)])


def ppo(gold, kl, record="a"):
    steps = pl.Series("step", range(len(gold)), dtype=pl.Int64)
    return curve(gold, kl=kl, method="ppo", record=record).with_columns(steps)


def test_a_mean_ends_where_the_first_of_its_runs_ends():
    a = ppo([0.0, 1.0, 4.0], [0.0, 1.0, 4.0])
    b = ppo([0.0, 3.0], [0.0, 9.0], "b")
    mean = averages.averaged(pl.concat([a, b]))
    np.testing.assert_allclose(mean["kl"], [0, 1, 4])
    np.testing.assert_allclose(mean["gold"], [0, 1, 3])  # b is linear in sqrt(KL): 1 at 1 nat, 2 at 4
    np.testing.assert_allclose(mean["gold_se"][2], np.sqrt(0.01**2 + (4 - 2) ** 2 / 4))
    assert averages.measured_peaks(mean, "ppo").select("kl", "end_kl").row(0) == (4.0, 4.0)


def test_a_run_that_comes_back_leaves_no_spike_where_it_was_before():
    """Sorted by KL, the late -5 at 1 nat would stand among the early points there."""
    a = ppo([0.0, 1.0, 2.0, -5.0, -6.0], [0.0, 1.0, 4.0, 1.1, 9.0])
    b = ppo([0.0, 1.0, 2.0, -6.0], [0.0, 1.0, 4.0, 9.0], "b")
    assert averages.advancing(a)["step"].to_list() == [0, 1, 2, 4]
    mean = averages.averaged(pl.concat([a, b]))
    assert mean.filter(pl.col("kl") < 3)["gold"].min() == 0.0
    alone = averages.averaged(a)
    assert alone.select("kl", "gold").rows() == [(0, 0), (1, 1), (4, 2), (9, -6)]  # so does one run


def test_the_band_is_drawn():
    """An area with an order is not: Vega-Lite takes that for the order of a stack."""
    mean = averages.averaged(curve([0.0, 1.0, 0.5], kl=[0.0, 1.0, 2.0]))
    chart = figures.gold_and_proxy(mean, pl.DataFrame(schema={"rm_params": pl.Int32, "kl": pl.Float64, "gold": pl.Float64}),
                           description="a curve")  # fmt: skip
    svg = vl_convert.vegalite_to_svg(chart.properties(width=300).to_json())
    assert svg.count('aria-roledescription="area mark"') == 1
    assert "fitted law" not in svg


def test_a_penalised_run_is_followed_by_its_steps():
    """KL stands still while gold falls: in order of KL the fall would be a zigzag."""
    steps = {"n": None, "step": [0, 4, 8, 12], "method": "ppo", "kl_penalty": 0.1}
    a = curve([0.0, 2.0, 1.0, 0.0], kl=[0.0, 4.0, 3.0, 4.0], record="a").with_columns(
        **{
            name: pl.Series(value) if isinstance(value, list) else pl.lit(value)
            for name, value in steps.items()
        }
    )
    alone = averages.averaged(a, PENALTIES)
    assert alone["gold"].to_list() == [0.0, 2.0, 1.0, 0.0]
    assert alone["place"].to_list() == [0.0, 4.0, 8.0, 12.0]
    b = a.with_columns(gold=pl.col("gold") + 2, record=pl.lit("b"))[:3]
    both = averages.averaged(pl.concat([a, b]), PENALTIES)
    np.testing.assert_allclose(both["place"], [0, 4, 8])  # as far as the shorter one went
    np.testing.assert_allclose(both["kl"], [0, 4, 3])
    np.testing.assert_allclose(both["gold"], [1, 3, 2])


def test_a_fall_is_more_than_two_standard_errors():
    falls = averages.measured_peaks(averages.averaged(curve([0.0, 1.0, 0.9])), "bon")
    assert falls.row(0, named=True) == {
        "rm_params": 1, "kl": 1.0, "gold": 1.0, "gold_se": 0.01, "end_kl": 2.0, "end_gold": 0.9, "falls": True,
    }  # fmt: skip
    level = averages.measured_peaks(averages.averaged(curve([0.0, 1.0, 0.9], se=0.05)), "bon")
    assert level["falls"].to_list() == [False]


def test_a_second_gold_that_disagrees_is_said():
    columns = {
        "rm_params": [1, 2],
        "kl": 1.0,
        "gold": [1.0, 1.0],
        "gold_se": 0.0,
        "end_kl": 9.0,
        "falls": [True, True],
    }
    gold = pl.DataFrame(columns | {"end_gold": [-1.0, 0.5]})
    second = pl.DataFrame(columns | {"end_gold": [-1.2, -1.2]})
    said = sentences.say_both(gold, second)
    assert "a fall for 2 of 2 sizes" in said
    assert "differ by more than 0.5 SDs for 1 of 2 sizes" in said
    assert said.endswith("at least one of the two is wrong, and gold's own curve may be.")
    assert "differ" not in sentences.say_both(gold, gold)


def test_sentences_follow_the_data():
    rising = pl.DataFrame({"rm_params": [10, 1000], "gold": [0.1, 0.2]})
    assert sentences.say_trend(rising, "gold", "gold") == (
        "Gold rises with every step in proxy size, from 0.10 (10 parameters) to 0.20 (1k)."
    )
    falling = pl.DataFrame({"rm_params": [10, 1000], "gold": [0.2, 0.1]})
    assert "falls with every step" in sentences.say_trend(falling, "gold", "gold")
    mixed = pl.DataFrame({"rm_params": [1, 2, 3], "gold": [0.1, 0.3, 0.2]})
    assert "in 1 of 2 steps the larger proxy has more" in sentences.say_trend(mixed, "gold", "gold")
    assert "Only one proxy size" in sentences.say_trend(mixed.head(1), "gold", "gold")


def test_plain_curves_leave_out_what_is_no_comparison_of_sizes():
    r = fake_results.load()
    other = r.curves.with_columns(kl_penalty=pl.lit(0.1))
    noisy = r.curves.with_columns(label_noise=pl.lit(0.25))
    fewer = r.curves.filter(method="bon").with_columns(pairs=pl.lit(100, dtype=pl.Int64))
    larger = r.curves.with_columns(policy_params=2 * pl.col("policy_params"))
    more_rows = [larger.with_columns(record=pl.lit(name)) for name in ("a", "b")]
    typed = r.curves.cast({"setting": pl.String})
    clipped = typed.with_columns(setting=pl.lit("clip 2"))
    mixed = pl.concat(
        [typed, *(part.cast({"setting": pl.String}) for part in (other, noisy, fewer, *more_rows)), clipped]
    )
    plain = averages.plain_curves(mixed, fake_results.POLICY)
    assert plain.filter(pairs=averages.main_pairs(plain)).equals(typed)


def test_ppo_texts_go_past_the_highest_gold():
    r = fake_results.load(sizes=1)  # gold of larger proxies falls later
    stages = texts.ppo_texts(r.texts, r.curves)
    assert stages["stage"].unique(maintain_order=True).to_list() == [
        "initial policy", "before the highest", "highest gold", "far past it",
    ]  # fmt: skip
    assert stages["kl"].is_sorted()
    assert stages["record"].n_unique() == 1
    # the nearest step that has texts is not called the highest
    top = r.curves.filter(record=stages["record"][0]).sort("gold")["step"][-1]
    near = texts.ppo_texts(r.texts.filter(pl.col("step").is_null() | (pl.col("step") != top)), r.curves)
    assert "near the highest gold" in near["stage"].to_list()
    assert "highest gold" not in near["stage"].to_list()


def test_fits_recover_the_laws_of_the_synthetic_curves():
    r = fake_results.load()
    fits = fitted_laws.fitted(r.curves, r.by_prompt, draws=100)
    for k, size in enumerate(fake_results.SIZES):
        assert fits["bon", size].fit.alpha == pytest.approx(fake_results.ALPHA_BON[k], abs=0.05)
        assert fits["ppo", size].fit.beta == pytest.approx(fake_results.BETA_RL[k], abs=0.05)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("C", "Z")) | st.just(" ")))
def test_model_text_is_shown_as_it_is(text):
    shown = " ".join(text.split())
    markdown = f"| a | b |\n| --- | --- |\n| x{myst.escaped(text)}x | y |\n"
    html = MarkdownIt("commonmark").enable("table").render(markdown)
    cell = re.search(r"<td>(.*?)</td>", html, re.DOTALL).group(1)
    for entity, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        cell = cell.replace(entity, sign)
    assert cell == f"x{shown}x"


def test_what_is_said_of_the_settings_of_ppo_follows_the_ranking():
    ranking = pl.DataFrame(
        {"setting": ["large batch", "as published"], "efficiency": [0.5, 0.2], "chosen": [False, True]}
    )
    wrong = sentences.say_ppo_sweep(ranking)
    assert "Of 2 settings *large batch* spends its KL best, with an efficiency of 0.50." in wrong
    assert "do not follow the rule: they have *as published*, with an efficiency of 0.20." in wrong
    right = sentences.say_ppo_sweep(ranking.with_columns(chosen=~pl.col("chosen")))
    assert "The study's runs have this setting." in right
    assert "did not compare" in sentences.say_ppo_sweep(pl.DataFrame())
    levels = {f"at_{level:g}": [0.5, None] for level in LEVELS} | {
        "proxy": [1.0, None],
        "length": [9.0, None],
    }
    shown = tables.printed(
        "tab-ppo-sweep", ranking.with_columns(ended=0.9, **{k: pl.Series(v) for k, v in levels.items()}), "S."
    )
    assert "| **as published** |" in shown
    assert "did not measure settings of PPO" in tables.printed("tab-ppo-sweep", pl.DataFrame(), "S.")


def test_a_run_that_goes_on_alone_is_drawn_whole_beside_the_mean():
    a, b = ppo([0.0, 1.0, 4.0], [0.0, 1.0, 4.0]), ppo([0.0, 3.0], [0.0, 9.0], "b")
    both = pl.concat([a.with_columns(seed=0), b.with_columns(seed=1)])
    none = pl.DataFrame(schema={"rm_params": pl.Int32, "kl": pl.Float64, "gold": pl.Float64})
    mean = averages.averaged(both)
    chart = figures.gold_and_proxy(mean, none, runs=both, description="two runs").to_dict()
    rows = [row for rows in chart["datasets"].values() for row in rows if row.get("series") == "gold"]
    assert max(row["kl"] for row in rows if row["seed"] is None) == 4.0
    assert max(row["kl"] for row in rows if row["seed"] is not None) == 9.0
    assert {layer["encoding"]["x"]["scale"]["domain"][1] for layer in chart["layer"]} == {9 * 1.02}
