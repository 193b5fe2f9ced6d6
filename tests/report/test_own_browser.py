"""The page on a reader's own numbers in a real browser without a network."""

import re

import own_files
import pytest
from test_browser import BROWSER, FLAGS, WHY

from overopt.report.own_page import open_own_page

pytestmark = pytest.mark.skipif(BROWSER is None, reason=WHY)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A page on two proxies, one of them hacked."""
    folder = tmp_path_factory.mktemp("own")
    table = own_files.gains(hacked=0.05)
    table.with_columns(other=table["gold"] + own_files.gains(seed=1)["gold"]).write_csv(folder / "scores.csv")
    page = open_own_page(folder / "scores.csv").page("overopt page scores.csv --out page.html")
    (folder / "page.html").write_text(page, encoding="utf-8")
    return folder / "page.html"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, file):
    """`opened(width, **context options)` gives the page, with what it asked for and its errors as attributes."""
    contexts = []

    def open_page(width, **options):
        context = browser.new_context(viewport={"width": width, "height": 844}, **options)
        context.set_offline(True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.requested, page.errors = [], []
        page.on("request", lambda request: page.requested.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(file.as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_selector(".own-chart.own-drawn")
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_draws_fits_and_asks_for_nothing(opened, width, scheme):
    page = opened(width, color_scheme=scheme)
    assert [url for url in page.requested if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.errors == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    svg = page.locator(".own-live svg.marks").bounding_box()
    assert svg["width"] > 0.9 * page.locator(".own-chart").bounding_box()["width"]
    assert svg["x"] + svg["width"] <= width + 1
    assert page.locator(".own-live .mark-area.role-mark path").count() == 4  # bands of gold and proxy, twice
    ink = page.locator(".own-live text").first.evaluate("node => getComputedStyle(node).fill")
    ground = page.locator("body").evaluate("node => getComputedStyle(node).backgroundColor")
    light, dark = (sum(map(int, re.findall(r"\d+", text)[:3])) for text in (ink, ground))
    assert (light - dark if scheme == "dark" else dark - light) > 400


@pytest.mark.parametrize(("width", "shown"), [(1280, "wide"), (390, "narrow")])
def test_without_scripts_there_is_a_picture(opened, width, shown):
    page = opened(width, java_script_enabled=False)
    visible = [picture for picture in page.locator(".own-picture").all() if picture.is_visible()]
    assert [picture.get_attribute("class") for picture in visible] == [f"own-picture own-{shown}"]
    assert visible[0].locator("svg").first.bounding_box()["height"] > 200
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_numbers_are_downloaded_without_a_server(opened, tmp_path):
    page = opened(1280)
    with page.expect_download() as waiting:
        page.get_by_text("Download as CSV").click()
    waiting.value.save_as(tmp_path / "numbers.csv")
    assert waiting.value.suggested_filename == "scores-curves.csv"
    lines = (tmp_path / "numbers.csv").read_text().splitlines()
    assert lines[0].startswith("proxy_name,label,n,kl,gold")
    assert len(lines) == 1 + 2 * 7
