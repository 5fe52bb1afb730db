"""The page as people see it: opened from disk in Chromium, without a network."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.driver.record_builder import build
from tests.driver.strategies import deadline, starter

from labdriver import record
from labdriver.report import publish

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--no-first-run"]

PATIENT_MS = 120_000  # only a machine on which nobody gets a turn needs all of it

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A starter's run and a fixed one by the same participant."""
    folder = tmp_path_factory.mktemp("reports")
    for number, strategy in enumerate((starter, deadline(0.5))):
        made = build(strategy, run=number)
        run = folder / made.head.lab / made.head.run
        record.save(run, made, None)
        publish.publish(folder, run)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS, timeout=PATIENT_MS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Any]:
    """Open a page; every console message, page error and request that leaves the disk is kept in `.trouble`."""
    opened: list[Page] = []

    def go(path: Path, *, width: int = 1280, scheme: str = "light", drawn: bool = True) -> tuple[Page, list[str]]:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        opened.append(page)
        page.set_default_timeout(PATIENT_MS)
        trouble: list[str] = []
        page.on("console", lambda message: trouble.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
        page.on("request", lambda r: trouble.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
        page.goto(path.as_uri())
        if drawn:
            page.wait_for_function("document.documentElement.dataset.drawn")
        return page, trouble

    yield go
    for page in opened:
        page.close()


def page_of(reports: Path, number: int) -> Path:
    return sorted(reports.glob("timeouts/*/report.html"))[number]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_charts_hold_the_data_and_nothing_complains(reports: Path, visit: Any, width: int, scheme: str) -> None:
    """Six charts with their traces as SVG, no console message, no request beyond the disk, no sideways scrolling."""
    page, trouble = visit(page_of(reports, 1), width=width, scheme=scheme)
    shown = page.eval_on_selector_all(".chart", "all => all.map(c => c.data.map(t => [t.name, t.x.length]))")
    assert len(shown) == 6
    names = {name for chart in shown for name, _ in chart}
    assert {"asked", "right answers in time", "p50", "p95", "p99", "200 right", "open requests", "answered"} <= names
    assert all(points > 0 for chart in shown for _, points in chart)
    assert page.locator(".chart .main-svg").count() >= 6
    assert page.locator(".chart path.js-line").count() > 8
    assert trouble == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_hung_requests_can_be_seen(reports: Path, visit: Any) -> None:
    """The starter's crosses are drawn, one a request that nobody answered."""
    page, trouble = visit(page_of(reports, 0))
    crosses = page.evaluate(
        "document.getElementById('chart-1').data.find(t => t.name.startsWith('never answered')).x.length"
    )
    assert crosses > 400
    assert page.locator("#chart-1 .points path").count() >= crosses
    assert trouble == []


def test_phases_lie_behind_every_chart_in_one_colour_each(reports: Path, visit: Any) -> None:
    """The fault's band has the same place and colour in all charts."""
    page, _ = visit(page_of(reports, 1))
    bands = page.eval_on_selector_all(
        ".chart",
        "all => all.map(c => c.layout.shapes.filter(s => s.type == 'rect').map(s => [s.x0, s.x1, s.fillcolor]))",
    )
    assert all(chart == bands[0] for chart in bands)
    assert [band[:2] for band in bands[0][:3]] == [[0, 6], [6, 14], [14, 20]]
    assert len({band[2] for band in bands[0]}) == len(bands[0])


def test_zoom_of_one_chart_moves_all(reports: Path, visit: Any) -> None:
    """One x axis: what is zoomed in one chart is zoomed in the others and in the ruler."""
    page, trouble = visit(page_of(reports, 1))
    page.evaluate("Plotly.relayout('chart-0', {'xaxis.range[0]': 6, 'xaxis.range[1]': 14})")
    ranges = "[...document.querySelectorAll('.chart')].map(c => c.layout.xaxis.range.map(Math.round))"
    page.wait_for_function(f"{ranges}.every(([from, to]) => from === 6 && to === 14)")
    page.wait_for_function("document.querySelector('.ruler .fault').style.width === '100%'")
    assert page.evaluate(ranges) == [[6, 14]] * 6
    assert page.eval_on_selector(".ruler .fault", "s => [s.style.left, s.style.width]") == ["0%", "100%"]
    assert trouble == []


def test_colours_follow_the_scheme(reports: Path, visit: Any) -> None:
    """Light and dark draw the same data in their own colours."""
    colour = "document.getElementById('chart-0').data.find(t => t.name === 'asked').line.color"
    light, dark = (visit(page_of(reports, 1), scheme=scheme)[0].evaluate(colour) for scheme in ("light", "dark"))
    assert light.startswith("#")
    assert light != dark


def test_page_without_the_library_says_so(reports: Path, visit: Any, tmp_path: Path) -> None:
    """A page that was mailed alone keeps its tables and says what is missing."""
    alone = tmp_path / "report.html"
    shutil.copyfile(page_of(reports, 0), alone)
    page, trouble = visit(alone, drawn=False)
    assert page.locator(".missing").is_visible()
    assert page.locator("table.rules tbody tr").count() == 7
    assert all("ERR_FILE_NOT_FOUND" in told for told in trouble)


def test_lost_request_can_be_followed(reports: Path, visit: Any) -> None:
    """The link beside a rule opens the list of its requests."""
    page, trouble = visit(page_of(reports, 0))
    page.locator('a[href="#lost-recovery"]').click()
    page.locator("#lost-recovery tbody tr").first.wait_for()
    assert trouble == []


def test_index_opens_by_itself(reports: Path, visit: Any) -> None:
    """Both runs, newest first, links that lead to pages, the leaderboard; phone width too."""
    page, trouble = visit(reports / "index.html", width=390, drawn=False)
    links = page.eval_on_selector_all("table.runs a", "all => all.map(a => a.getAttribute('href'))")
    assert len(links) == 2
    assert links == sorted(links, reverse=True)
    assert all((reports / link).is_file() for link in links)
    assert page.locator("table.board tbody tr").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert trouble == []
