"""Texts to judge gold by: which are chosen, what is shown of them, and the filters in a real browser."""

import base64
import io
import re
import shutil
from html.parser import HTMLParser

import fake_results
import polars as pl
import pytest
from playwright.sync_api import sync_playwright

from overopt.report import book, texts
from overopt.report.text_sample import every_text, sampled
from overopt.report.text_viewer import ABSENT, say_sample, viewer

BROWSER = next((path for path in map(shutil.which, ("chromium", "google-chrome")) if path), None)


def study(golds, *, sizes=(1_000, 20_000), method="bon", **more):
    """Texts of one run a size, each with the gold scores given, and the curves that say which size is whose."""
    end = {size: "." if size == max(sizes) else f", not {size}." for size in sizes}  # each text is shown once
    rows = [
        {"method": method, "record": f"{method}{size}", "prompt_text": "It", "completion": f"was {k}{end[size]}", "n": 2**k}
        | {"step": None, "kl": float(k), "gold": gold, "proxy": -gold} | {name: of[k] for name, of in more.items()}
        for size in sizes for k, gold in enumerate(golds)
    ]  # fmt: skip
    runs = [{"method": method, "record": f"{method}{size}", "rm_params": size, "seed": 0} for size in sizes]
    return pl.DataFrame(rows, schema_overrides={"step": pl.Int64}), pl.DataFrame(runs)


class Rows(HTMLParser):
    """The cells of a table's body."""

    def __init__(self, page):
        super().__init__()
        self.rows = []
        self.feed(page.partition("<tbody>")[2].partition("</tbody>")[0])

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")


def test_either_end_of_gold_and_some_at_random_of_every_size():
    golds = [0.3, -2.0, 0.1, 5.0, 0.2, -1.0, 4.0, 0.0]
    chosen = sampled(every_text(*study(golds)), random=2, ends=2)
    assert chosen["rm_params"].unique(maintain_order=True).to_list() == [20_000, 1_000]  # largest first
    for _, part in chosen.group_by("rm_params"):
        assert sorted(part.filter("highest")["gold"]) == [4.0, 5.0]
        assert sorted(part.filter("lowest")["gold"]) == [-2.0, -1.0]
        assert part.filter("random").height == 2
    again = sampled(every_text(*study(golds)), random=2, ends=2)
    assert chosen.equals(again)
    other = [
        sampled(every_text(*study(golds)), random=2, ends=0, seed=k)["gold"].to_list() for k in range(20)
    ]
    assert len(set(map(tuple, other))) > 5  # else nothing would be drawn at random


def test_fewer_texts_than_wanted_are_shown_once():
    chosen = sampled(every_text(*study([0.5, 0.7])))
    assert chosen.height == 4
    assert chosen["highest"].all()
    assert chosen["lowest"].all()


def test_a_text_of_several_seeds_stands_once_where_it_is_nearest():
    found, curves = study([0.5, 0.5], sizes=(1_000,))
    same = found.with_columns(completion=pl.lit("was fine."))
    assert every_text(same, curves).select("n", "kl").rows() == [(1, 0.0)]


def test_texts_of_other_runs_are_not_among_them():
    found, curves = study([0.1, 0.2])
    assert every_text(found, curves.filter(rm_params=1_000))["record"].unique().to_list() == ["bon1000"]


def test_the_table_says_what_gold_said():
    found, curves = study([0.5, -1.25], sizes=(20_000,))
    shown = Rows(viewer(found, curves).data).rows
    assert sorted(shown, key=lambda row: row[0]) == [
        [
            "It was 0.",
            "20k",
            "initial policy, KL 0.0",
            "0.50",
            "−0.50",
            "at random, highest gold, lowest gold",
        ],
        [
            "It was 1.",
            "20k",
            "best of 2, KL 1.0",
            "−1.25",
            "1.25",
            "at random, highest gold, lowest gold",
        ],
    ]
    ppo = found.with_columns(method=pl.lit("ppo"), step=pl.col("n") - 1, n=pl.lit(None, dtype=pl.Int64))
    assert {row[2] for row in Rows(viewer(ppo, curves).data).rows} == {
        "initial policy, KL 0.0",
        "PPO, step 1, KL 1.0",
    }


def test_the_halves_of_gold_stand_where_the_study_has_them():
    found, curves = study([0.5], sizes=(20_000,), rating=[0.75], gate=[0.9])
    (row,) = Rows(viewer(found, curves).data).rows
    assert row[3:7] == ["0.50", "0.75", "0.90", "−0.50"]
    unknown = found.with_columns(rating=pl.lit(None, dtype=pl.Float64), gate=pl.lit(None, dtype=pl.Float64))
    assert "rating (SDs)" not in viewer(unknown, curves).data
    assert "halves" in say_sample(found, curves)
    assert "halves" not in say_sample(unknown, curves)


def test_a_dash_stands_where_the_halves_of_a_text_are_not_known():
    found, curves = study([0.5, -1.0], sizes=(20_000,), rating=[0.75, None], gate=[0.9, None])
    shown = viewer(found, curves).data
    halves = {row[0]: row[4:6] for row in Rows(shown).rows}
    assert halves == {"It was 0.": ["0.75", "0.90"], "It was 1.": ["—", "—"]}
    for half in ("rating", "gate"):  # what the style sheet hides until a text is judged
        assert shown.count(f'<td class="oo-score" data-title="{half}">') == 2
    assert "They are known of 1 of them; a dash stands where they are not." in say_sample(found, curves)
    whole = found.with_columns(pl.col("rating", "gate").fill_null(0.5))
    assert "They are known of all of them." in say_sample(whole, curves)


def test_the_texts_are_there_as_csv():
    found, curves = study([0.5, -1.0], sizes=(20_000,), rating=[0.75, None], gate=[0.9, None])
    (data,) = re.findall(
        r'download="texts.csv" href="data:text/csv;charset=utf-8;base64,([^"]+)"', viewer(found, curves).data
    )
    saved = pl.read_csv(io.BytesIO(base64.b64decode(data))).sort("n")
    columns = ["rm_params", "n", "prompt_text", "completion", "gold", "rating", "gate", "proxy"]
    assert saved.select(columns).rows() == [
        (20_000, 1, "It", "was 0.", 0.5, 0.75, 0.9, -0.5),
        (20_000, 2, "It", "was 1.", -1.0, None, None, 1.0),
    ]


def test_a_text_is_shown_as_the_model_wrote_it():
    found, curves = study([0.5], sizes=(20_000,))
    nasty = 'is <b>bold</b> & "so"</script> $x$\n| y'
    page = viewer(found.with_columns(completion=pl.lit(nasty)), curves).data
    assert Rows(page).rows[0][0] == "It " + " ".join(nasty.split())
    assert page.count("</script>") == 1


def test_a_study_without_texts_says_so():
    found, curves = study([0.5])
    assert viewer(found.clear(), curves).data == ABSENT
    assert say_sample(found.clear(), curves) == ""
    assert "each of the 2 proxy sizes" in say_sample(found, curves)
    assert "They come from 2 different texts, whose gold is 0.50 SDs" in say_sample(found, curves)


def test_printed_texts_are_of_the_largest_proxy_and_the_first_seed():
    r = fake_results.load()
    assert texts.largest_proxy(r.curves, "ppo") == f"ppo-{max(fake_results.SIZES)}-0"
    assert set(texts.best_of_n_texts(r.texts, r.curves)["rm_params"]) == {max(fake_results.SIZES)}


@pytest.fixture
def page():
    if BROWSER is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        shown = chromium.new_page()
        shown.set_content(viewer(*study([0.1 * k - 1 for k in range(20)])).data)
        yield shown
        chromium.close()


def test_filters_show_what_was_asked_for(page):
    rows = page.locator("tbody tr:visible")
    assert rows.count() == 16  # eight at random of each size, gold's ends not among them
    page.locator("select[name=kind]").select_option("highest")
    assert rows.count() == 6
    page.locator("select[name=size]").select_option("1000")
    golds = sorted(float(row.get_attribute("data-gold")) for row in rows.all())
    assert golds == pytest.approx([0.7, 0.8, 0.9])
    assert page.locator(".oo-texts-count").inner_text().startswith("3 of the ")
    page.locator("select[name=kind]").select_option("")
    page.locator("select[name=size]").select_option("")
    assert rows.count() == page.locator("tbody tr").count() > 16


def test_what_is_known_of_a_text_is_hidden_until_it_is_judged(page):
    assert page.locator(".oo-texts").get_attribute("class") == "oo-texts oo-blind"
    rows, tally = page.locator("tbody tr:visible"), page.locator(".oo-texts-tally")
    assert "see how often gold agrees" in tally.inner_text()
    golds = [float(row.get_attribute("data-gold")) for row in rows.all()[:3]]
    for k in range(3):  # of the first, what gold says; of the others the contrary
        good = (golds[k] > 0) == (k == 0)
        rows.nth(k).get_by_role("button", name="good" if good else "bad", exact=True).click()
        assert rows.nth(k).get_attribute("class") == "oo-seen"
        assert rows.nth(k).locator("button:visible").count() == 0
    assert tally.inner_text().startswith("You and gold agree on 1 of 3.")
    page.locator("input").uncheck()
    assert page.locator(".oo-blind, .oo-seen, button:visible").count() == 0
    assert tally.inner_text() == ""


def test_a_text_has_its_row_for_itself_until_it_is_judged(page):
    page.add_style_tag(path=book.ROOT / "book" / "_static" / "book.css")
    heads, first = page.locator("th:visible"), page.locator("tbody tr:visible").first
    assert heads.all_inner_texts() == ["prompt and text"]
    assert first.locator("td:visible").count() == 1
    first.get_by_role("button", name="good", exact=True).click()
    assert first.locator("td:visible").count() == heads.count() > 4
    assert page.locator("tbody tr:visible").nth(1).locator("td:visible").count() == 1


def test_a_text_of_several_sizes_is_shown_once_with_the_largest():
    found, curves = study([0.5, 0.7, 0.9])
    same = found.with_columns(completion=pl.format("was {}.", "n"))
    assert sampled(every_text(same, curves))["rm_params"].to_list() == [20_000] * 3
