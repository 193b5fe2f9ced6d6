"""The built pages in a real browser without a network: charts draw, legends select, nothing is fetched."""

import re
import shutil

import pytest
from playwright.sync_api import sync_playwright

from overopt.report import book
from overopt.report.charts import BREAK

BROWSER = next(
    (path for path in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if path), None
)
WHY = "no Chromium is installed: apt-get install chromium"
pytestmark = [pytest.mark.xdist_group("book"), pytest.mark.skipif(BROWSER is None, reason=WHY)]

PAGES = [*(path.stem for path in book.notebook_sources()), "own", "machines", "glossary", "bibliography"]
WITH_CHARTS = ["00_chain", "01_gold_vs_optimisation", "03_model_data_policy_scale"]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
FLAGS += ["--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, smoke_book):
    """`open_page(name, **context options)` gives the page, with what it asked for and its errors as attributes."""
    contexts = []

    def opened(name, *, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        context.set_offline(True)
        contexts.append(context)
        page = context.new_page()
        page.requested, page.errors = [], []
        page.on("request", lambda request: page.requested.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto((smoke_book / f"{name}.html").as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()


def wait_for_charts(page):
    count = page.locator(".oo-chart").count()
    page.wait_for_function("n => document.querySelectorAll('.oo-chart.oo-drawn').length === n", arg=count)
    return count


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_outside_and_has_no_error(open_page, name):
    page = open_page(name)
    wait_for_charts(page)
    outside = [url for url in page.requested if not url.startswith(("file:", "data:", "blob:"))]
    assert outside == []
    assert page.errors == []


@pytest.mark.parametrize("name", WITH_CHARTS)
@pytest.mark.parametrize("width", [1280, 390])
def test_charts_draw(open_page, name, width):
    page = open_page(name, width=width)
    assert wait_for_charts(page) >= 4
    for chart in page.locator(".oo-chart").all():
        box = chart.locator(".oo-live svg").first.bounding_box()
        assert box["width"] > 0.6 * chart.bounding_box()["width"]
        assert box["height"] > 100
        assert chart.locator(".oo-live .role-mark path").count() > 0
        assert not chart.locator(".oo-picture").first.is_visible()


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_does_not_scroll_sideways(open_page, name):
    page = open_page(name, width=390)
    wait_for_charts(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 391


def test_clicking_a_legend_entry_selects(open_page):
    page = open_page("01_gold_vs_optimisation")
    wait_for_charts(page)
    chart = page.locator("#fig-bon .oo-live")
    lines = chart.locator(".mark-line.role-mark path")

    def opacities():
        return sorted({float(lines.nth(k).get_attribute("opacity") or 1) for k in range(lines.count())})

    assert opacities() == [1.0]
    chart.locator(".role-legend-symbol path").first.click()
    page.wait_for_timeout(300)
    assert opacities() == [0.16, 1.0]
    box = chart.locator(".mark-line.role-mark").first.bounding_box()
    page.mouse.click(box["x"] + 5, box["y"] + box["height"] / 4)
    page.wait_for_timeout(300)
    assert opacities() == [1.0]


@pytest.mark.parametrize("name", WITH_CHARTS)
@pytest.mark.parametrize(("width", "shown"), [(1280, "wide"), (390, "narrow")])
def test_without_scripts_there_are_pictures(open_page, name, width, shown):
    page = open_page(name, width=width, java_script_enabled=False)
    charts = page.locator(".oo-chart").all()
    assert len(charts) >= 4
    for chart in charts:
        visible = [picture for picture in chart.locator(".oo-picture").all() if picture.is_visible()]
        assert [picture.get_attribute("class") for picture in visible] == [f"oo-picture oo-{shown}"]
        box = visible[0].locator("svg").bounding_box()
        assert box["width"] > 250
        assert box["height"] > 80


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_ink_follows_the_theme(open_page, scheme):
    page = open_page("01_gold_vs_optimisation", color_scheme=scheme)
    wait_for_charts(page)
    colour = page.locator("#fig-bon .oo-live text").first.evaluate("node => getComputedStyle(node).fill")
    ground = page.locator("#fig-bon").evaluate(
        """node => {
            for (; node; node = node.parentElement) {
                const colour = getComputedStyle(node).backgroundColor;
                if (!/^rgba\\(.*, 0\\)$/.test(colour)) return colour;
            }
            return "rgb(255, 255, 255)";
        }"""
    )
    light, dark = (sum(map(int, re.findall(r"\d+", text)[:3])) for text in (colour, ground))
    assert (light - dark if scheme == "dark" else dark - light) > 300


def test_formulas_are_shown_without_scripts(open_page):
    page = open_page("01_gold_vs_optimisation", java_script_enabled=False)
    assert page.locator("math").count() >= 4
    assert "\\(" not in page.locator("article").inner_text()


def test_the_page_and_the_renderer_size_charts_alike():
    script = (book.ROOT / "book" / "_static" / "charts.js").read_text()
    assert f"const BREAK = {BREAK};" in script
