"""The business page in Chromium: orders come and move on, scenarios and maintenance show, the connection is lost."""

import re
import time

import pytest
from playwright.sync_api import expect
from tests.services.live.conftest import READY_S, Generator, Visit

pytestmark = pytest.mark.browser


def steer(generator: Generator, command: str, **body: object) -> None:
    generator.told("POST", f"/api/simulation/{command}", body, token="facilitator")


@pytest.fixture
def calm(generator: Generator) -> Generator:
    """A world that lives, without a scenario, at the usual pace."""
    until_s = time.monotonic() + READY_S
    while not all(world["running"] for world in generator.told("GET", "/api/simulation/state")["worlds"]):
        assert time.monotonic() < until_s, "the world does not run"
        time.sleep(0.05)
    steer(generator, "reset")
    steer(generator, "pace", factor=1)
    return generator


def test_orders_arrive_and_move_on(visit: Visit, calm: Generator) -> None:
    """The newest order stands on top, its status moves on in place, the figures follow."""
    page = visit("/business")
    expect(page.locator("#link")).to_have_text("live")
    rows = page.locator("#orders li")
    expect(rows.first).to_contain_text("pending")
    number = rows.first.get_attribute("title").split(":")[0]  # type: ignore[union-attr]
    expect(page.locator(f"#orders li[title^='{number}:'] .status")).not_to_contain_text("pending")
    expect(rows.first).not_to_have_attribute("title", re.compile(f"^{number}:"))
    expect(page.locator("#orders-today")).not_to_have_text("–")
    expect(page.locator("#revenue-today")).to_contain_text("$")
    expect(page.locator("#pipeline li")).to_have_count(5)
    expect(page.locator("#clock")).to_have_text(re.compile(r"09:\d\d"))
    expect(page.locator("#day")).to_contain_text("21 November")
    expect(page.locator("#regions strong").first).to_contain_text("%")


def test_markup_in_names_is_text(visit: Visit, calm: Generator) -> None:
    """Customers, voices and news stand there as they were written."""
    page = visit("/business", scheme="dark")
    expect(page.locator("#orders")).to_contain_text("<b>Bo</b> & Sons")
    expect(page.locator("#voices")).to_contain_text("<i>two days</i>")
    expect(page.locator("#voices")).to_contain_text("<u>dearer</u>")
    assert page.locator("#page b b, #orders b, #voices i, #voices u").count() == 0


def test_scenario_and_maintenance_show(visit: Visit, calm: Generator) -> None:
    """A scenario has a banner with what is left of it; a closed shop is told in words, and lost visits count."""
    page = visit("/business")
    expect(page.locator("#scenario-name")).to_have_text("Business as usual")
    steer(calm, "scenario", scenarioId="rush-orders")
    expect(page.locator("#scenario-name")).to_have_text("rush-orders")
    expect(page.locator("#scenario-told")).to_have_text("scenario · active")
    expect(page.locator("#scenario-left")).to_contain_text("2:")
    expect(page.locator("#scenario-meter")).to_be_visible()
    steer(calm, "stop")
    expect(page.locator("#scenario-name")).to_have_text("Business as usual")
    lost = page.locator("#visits-lost").inner_text()
    steer(calm, "scenario", scenarioId="system-maintenance")
    expect(page.locator("#notice")).to_contain_text("the shop is closed, back in 0:4")
    expect(page.locator("#visits-lost")).not_to_have_text(lost)
    steer(calm, "stop")
    expect(page.locator("#notice")).to_be_hidden()
    steer(calm, "pace", factor=0)
    expect(page.locator("#notice")).to_contain_text("stands still")
    steer(calm, "pace", factor=60)
    expect(page.locator("#pace")).to_have_text("simulated time, 60× ours")


def test_desk_and_priorities(visit: Visit, calm: Generator) -> None:
    """Tickets show their subject and priority; those opened before the page came are counted apart."""
    page = visit("/business")
    steer(calm, "scenario", scenarioId="rush-orders")
    expect(page.locator("#tickets .chip").first).to_be_visible()
    expect(page.locator("#priorities dt").first).to_have_text("critical")
    expect(page.locator("#support-told")).to_contain_text("resolved")


def test_held_list_stands_still(visit: Visit, calm: Generator) -> None:
    """With the keyboard: hold, read, go on; what came meanwhile is counted and then shown."""
    page = visit("/business")
    steer(calm, "scenario", scenarioId="rush-orders")
    expect(page.locator("#orders li").first).to_be_visible()
    page.focus("#hold")
    page.keyboard.press("Enter")
    expect(page.locator("#hold")).to_contain_text("Held")
    top = page.locator("#orders li").first.get_attribute("title")
    expect(page.locator("#hold")).to_have_text(re.compile("[1-9]\\d* new"))
    assert page.locator("#orders li").first.get_attribute("title") == top
    page.keyboard.press("Enter")
    expect(page.locator("#orders li").first).not_to_have_attribute("title", str(top))


def test_connection_is_lost_and_comes_back(visit: Visit, calm: Generator) -> None:
    """A killed server: the page says that it is old, comes back, tells the hole and goes on."""
    page = visit("/business")
    expect(page.locator("#orders li").first).to_be_visible()
    calm.kill()
    expect(page.locator("#notice")).to_contain_text("The connection is lost")
    expect(page.locator("#page")).to_have_class("stale")
    calm.start()
    expect(page.locator("#link")).to_have_text("live")
    expect(page.locator("#notice")).to_be_hidden()
    expect(page.locator("#orders .gap")).to_contain_text("were missed here: the business was started again")
    expect(page.locator("#orders li").first).not_to_have_class("gap")


def test_board_counts_orders_and_not_their_steps(visit: Visit, calm: Generator) -> None:
    """Who opens the board is told the newest ten events of a stream: of orders, ten were placed and ten moved on."""
    steer(calm, "scenario", scenarioId="rush-orders")

    def orders() -> int:
        return int(calm.told("GET", "/api/simulation/state")["worlds"][0]["figures"]["orders"])

    until_s, enough = time.monotonic() + READY_S, orders() + 12
    while orders() < enough:
        assert time.monotonic() < until_s, "no orders come"
        time.sleep(0.05)
    steer(calm, "pace", factor=0)
    board = visit("/board")
    expect(board.locator("#orders")).to_have_text(re.compile("orders · 10 in the last minute"))


def test_first_page_is_the_business_until_the_hour_begins(visit: Visit, calm: Generator) -> None:
    """`/` leads to the business, while a session runs to the board; the pages lead to each other."""
    calm.stop()
    page = visit("/")
    expect(page).to_have_url(calm.url + "/business")
    calm.session()
    page = visit("/")
    expect(page).to_have_url(calm.url + "/board")
    page.click("a:text-is('Business')")
    expect(page).to_have_url(calm.url + "/business")
    page.click("a:text-is('board')")
    expect(page).to_have_url(calm.url + "/board")
    for other in ("/facilitator", "/admin"):
        assert visit(other).locator("nav a[href='/business']").count() == 1
