"""The pages in Chromium, as people use them: join, take a ticket, trigger, watch the board, lose the connection."""

import re

import pytest
from playwright.sync_api import Page, expect
from tests.services.live.conftest import Generator, Visit
from tests.services.workshop.test_runs import line

pytestmark = pytest.mark.browser


def bottom_px(page: Page, selector: str) -> float:
    """Where an element ends, from the top of the window."""
    return float(page.locator(selector).evaluate("e => e.getBoundingClientRect().bottom"))


def test_hour_from_start_to_ticket(visit: Visit, generator: Generator) -> None:
    """A facilitator starts, somebody joins in a browser and handles a ticket, everybody sees it."""
    generator.stop()
    desk = visit(f"/facilitator#token={generator.facilitator}")
    desk.fill("#start-name", "Friday")
    desk.fill("#start-people", "12")
    desk.click("text=Start the hour")
    expect(desk.locator("#title")).to_have_text("Intro")
    assert generator.facilitator not in desk.url
    code = desk.inner_text("#code")
    board = visit("/board")
    expect(board.locator("#code")).to_have_text(code)
    expect(board.locator("#arrived-of")).to_contain_text("of 12 are here")

    ann = visit("/tickets", width=390)
    ann.fill("#code", code.lower())
    ann.fill("#by", "Ann <b>Lee</b>")
    ann.click("button.main:has-text('Join')")
    expect(board.locator("#arrived li")).to_have_text("Ann <b>Lee</b>")
    expect(desk.locator("#people tr th")).to_contain_text("Ann <b>Lee</b>")
    ann.click("text=Take a ticket")
    expect(ann.locator("#subject")).not_to_be_empty()
    expect(board.locator("#tickets dd").nth(1)).to_have_text("1")
    ann.fill("#answer", "A new one is on its way.")
    ann.click("#resolve")
    expect(ann.locator("#told")).to_have_text("Resolved. Thank you.")
    expect(board.locator("#tickets dd").nth(2)).to_have_text("1")
    ann.reload()
    expect(ann.locator("#name")).to_have_text("Ann <b>Lee</b>")
    expect(ann.locator("#me dd").nth(2)).to_have_text("1")


def test_trigger_shows_on_the_board(visit: Visit, generator: Generator) -> None:
    """A scenario's button changes the board; segments, pause and freeze do as well."""
    generator.session()
    generator.ask("POST", "/api/simulation/stop", {}, token="facilitator")
    desk = visit(f"/facilitator#token={generator.facilitator}")
    board = visit("/board", scheme="dark")
    expect(board.locator("#link")).to_have_text("live")
    expect(board.locator("#scenario")).to_be_hidden()
    desk.click("#scenarios button:has-text('Rush')")
    expect(board.locator("#scenario-name")).to_have_text("rush-orders")
    expect(desk.locator("#back")).to_be_hidden()
    desk.click("#next")
    expect(board.locator("#title")).to_have_text("Step 1: timeouts")
    desk.click("#pause")
    expect(board.locator("#paused")).to_be_visible()
    expect(desk.locator("#pause")).to_have_text("Go on")  # else the same would be asked for again
    desk.click("#pause")
    expect(board.locator("#paused")).to_be_hidden()
    desk.click("#freeze")
    expect(board.locator("#frozen")).to_be_visible()
    desk.click("text=settle")
    expect(board.locator("#scenario")).to_be_hidden()
    desk.click("#back")
    expect(desk.locator("#back")).to_be_hidden()
    expect(board.locator("#title")).not_to_have_text("Step 1: timeouts")


def test_pasted_scores_move_the_board_and_stuck_people_are_shown(visit: Visit, generator: Generator) -> None:
    """The chat's lines become a leaderboard; three times the same failure stands on top of the facilitator's list."""
    code = generator.session()["code"]
    generator.told("POST", "/workshop/next", {"segment": 1}, token="facilitator")
    token = generator.told("POST", "/workshop/join", {"code": code, "name": "Bob"})["token"]
    for number in range(3):
        body = {"line": line(score=20, run=f"b{number}", by="Bob"), "failure": "hung"}
        generator.told("POST", "/workshop/runs", body, token=token)
    desk = visit(f"/facilitator#token={generator.facilitator}")
    board = visit("/board")
    desk.click("text=Paste score lines")
    desk.fill("#paste", f"ann: look! {line(score=95, by='Ann')}\nzoe: {line(score=70, by='Zoe').replace('70', '90')}")
    desk.click("text=Take them")
    expect(desk.locator("#paste-told")).to_contain_text("1 added")
    expect(desk.locator("#paste-told")).to_contain_text("does not match")
    expect(board.locator("#leaders th")).to_have_text(["Ann", "Bob"])
    expect(board.locator("#leaders .total")).to_have_text(["95", "20"])
    expect(desk.locator("#people tr").first).to_contain_text("3 times the same: hung")


def test_pages_come_back_by_themselves(visit: Visit, generator: Generator) -> None:
    """The server is killed and comes back: the board says so, reconnects, and shows what happened meanwhile."""
    code = generator.session()["code"]
    board, desk = visit("/board"), visit(f"/facilitator#token={generator.facilitator}")
    admin = visit(f"/admin#token={generator.facilitator}")
    for page in (board, desk, admin):
        expect(page.locator("#link")).to_have_text("live")
    generator.kill()
    for page in (board, desk, admin):
        expect(page.locator("#link")).to_have_text("reconnecting …")
    generator.start()
    generator.claim()
    generator.told("POST", "/workshop/join", {"code": code, "name": "Meanwhile"})
    for page in (board, desk, admin):
        expect(page.locator("#link")).to_have_text("live")
    expect(admin.locator("#gate")).to_be_hidden()
    expect(board.locator("#arrived li")).to_have_text("Meanwhile")
    expect(desk.locator("#people th")).to_contain_text("Meanwhile")
    generator.told("POST", "/workshop/next", {"segment": 1}, token="facilitator")
    expect(desk.locator("#title")).to_have_text("Step 1: timeouts")


def test_a_name_can_be_taken_off_the_board(visit: Visit, generator: Generator) -> None:
    """Whatever somebody calls himself, the facilitator has the last word: one click, and the room sees it."""
    code = generator.session()["code"]
    generator.told("POST", "/workshop/join", {"code": code, "name": "rude <b>word"})
    board, desk = visit("/board"), visit(f"/facilitator#token={generator.facilitator}", answer="Guest")
    expect(board.locator("#arrived li")).to_have_text("rude <b>word")
    desk.click("#people th button")
    expect(desk.locator("#people th")).to_have_text("Guest")
    expect(board.locator("#arrived li")).to_have_text("Guest")


def test_admin_steers_with_the_token_only(visit: Visit, generator: Generator) -> None:
    """Without it the page is read-only; with it pace and scenarios work, causes are shown; a session is not needed."""
    generator.stop()
    generator.ask("POST", "/api/simulation/reset", {}, token="facilitator")
    stranger = visit("/admin")
    expect(stranger.locator(".scenario button").first).to_be_disabled()
    expect(stranger.locator("#worlds .head")).to_contain_text(
        re.compile(r"[\d,]+ orders · [\d,]+ orders today · [\d,]+ undelivered")
    )
    expect(stranger.locator("#events tr").first).to_be_visible()
    assert stranger.locator("#events .chip").count() == 0
    admin = visit(f"/admin#token={generator.facilitator}")
    admin.click(".pace button:has-text('10×') >> nth=0")
    expect(admin.locator(".pace button[aria-pressed=true]")).to_have_text("10×")
    expect(admin.locator("#events .chip").first).to_be_visible()
    expect(admin.locator(".world .head")).not_to_contain_text("cents")
    expect(admin.locator(".world .head")).not_to_contain_text("object")
    admin.click(".pace button:text-is('1×')")
    expect(admin.locator(".pace button[aria-pressed=true]")).to_have_text("1×")


def test_what_looks_the_same_stays_in_the_page(visit: Visit, generator: Generator) -> None:
    """News do not take a button away: one that has the focus keeps it, and a slow press is not lost."""
    generator.session()
    generator.ask("POST", "/api/simulation/reset", {}, token="facilitator")
    desk = visit(f"/facilitator#token={generator.facilitator}")
    admin = visit(f"/admin#token={generator.facilitator}")
    for page, button in ((desk, "#scenarios button"), (admin, ".scenario button")):
        page.locator(button).first.focus()
    generator.told("POST", "/workshop/next", {"segment": 1}, token="facilitator")
    generator.told("POST", "/api/simulation/pace", {"factor": 60}, token="facilitator")
    expect(desk.locator("#world")).to_contain_text("60×")
    expect(admin.locator(".pace button[aria-pressed=true]")).to_have_text("60×")
    generator.told("POST", "/api/simulation/pace", {"factor": 1}, token="facilitator")
    for page in (desk, admin):
        assert page.evaluate("document.activeElement.tagName") == "BUTTON"


def test_board_fills_the_screen_without_an_hour(visit: Visit, generator: Generator) -> None:
    """Before the first session there is no hour to show: what stands below it has the rest of the screen."""
    generator.session()
    board = visit("/board")
    expect(board.locator("#hour")).to_be_visible()
    board.evaluate("document.querySelector('#hour').hidden = true")
    assert bottom_px(board, ".grid") > 700


def test_who_was_in_the_hour_before_is_told_so(visit: Visit, generator: Generator) -> None:
    """A participant's page stays with the session that was joined, also while the next one runs."""
    code = generator.session()["code"]
    token = generator.told("POST", "/workshop/join", {"code": code, "name": "Ann"})["token"]
    page = visit(f"/tickets#token={token}")
    expect(page.locator("#step")).to_have_text("now")
    generator.session(name="The next one")
    for _ in range(2):
        expect(page.locator("#none-title")).to_have_text("The hour is over")
        expect(page.locator("#step")).to_have_text("the hour is over")
        expect(page.locator("#where")).to_have_text("Monday")
        expect(page.locator("#ask")).to_be_hidden()
        page.reload()


def test_board_shows_no_half_row_of_people(visit: Visit, generator: Generator) -> None:
    """Of those who are here, as many as fit; all of them are counted."""
    code = generator.session()["code"]
    for number in range(59):
        generator.told("POST", "/workshop/join", {"code": code, "name": f"Alexandra Featherstone {number}"})
    board = visit("/board")
    expect(board.locator("#arrived-count")).to_have_text("59")
    assert 0 < bottom_px(board, "#arrived li:last-child") < bottom_px(board, ".leaders")


def test_who_stands_behind_the_first_twenty_sees_a_place(visit: Visit, generator: Generator) -> None:
    """The board tells the first twenty alone; the page of the twenty-second asks for the whole leaderboard."""
    code = generator.session()["code"]
    for number in range(22):
        token = generator.told("POST", "/workshop/join", {"code": code, "name": f"Person {number}"})["token"]
        generator.told("POST", "/workshop/runs", {"line": line(score=90 - number)}, token=token)
    board = visit("/board", width=1920)
    expect(board.locator("#leaders tr").first).to_be_visible()
    rows_px, card_px = (
        board.evaluate(f"document.querySelector('{e}').getBoundingClientRect().bottom")
        for e in ("#leaders", ".leaders")
    )
    assert rows_px < card_px, "half a row is shown"
    last = visit(f"/tickets#token={token}")
    expect(last.locator("#me dd")).to_have_text(["22", "69", "0"])


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("page", ["/board", "/business", "/facilitator", "/tickets", "/admin"])
def test_pages_fit_their_width(visit: Visit, generator: Generator, page: str, width: int) -> None:
    """Nothing sticks out sideways, with long names and scores on the page."""
    code = generator.session(name="An hour with a name that is as long as a name may be, 60")["code"]
    who = {"code": code, "name": "Wolfeschlegelsteinhausenbergerdorff" + "W" * 25}
    token = generator.told("POST", "/workshop/join", who)["token"]
    generator.told("POST", "/workshop/runs", {"line": line(score=88), "failure": "hung"}, token=token)
    key = token if page == "/tickets" else generator.facilitator
    opened = visit(page if page in ("/board", "/business") else f"{page}#token={key}", width=width)
    expect(opened.locator("#link")).to_have_text("live")
    expect(opened.locator("body")).to_contain_text(re.compile("Wolfe|fake business", re.I))
    assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_an_address_of_this_machine_is_said_to_be_one(visit: Visit, generator: Generator) -> None:
    """At 127.0.0.1 board and facilitator are told; at an address that others reach the join line is theirs."""
    code = generator.session()["code"]
    for path in ("/board", f"/facilitator#token={generator.facilitator}"):
        here = visit(path)
        expect(here.locator("#reach")).to_be_visible()
        there = visit(path, host="board.example")
        expect(there.locator("#line")).to_contain_text(
            f"make join CODE={code} AT=http://board.example:{generator.port}"
        )
        expect(there.locator("#reach")).to_be_hidden()


def test_nothing_of_the_people_is_cut_off_and_numbers_have_names(visit: Visit, generator: Generator) -> None:
    """At 1280 px every column is inside its card; on a phone the numbers of a row say what they are, labs are named."""
    code = generator.session()["code"]
    generator.ask("POST", "/api/simulation/stop", {}, token="facilitator")
    generator.told("POST", "/workshop/next", {"segment": 1}, token="facilitator")
    for name in ("Wolfeschlegelsteinhausenbergerdorff " + "x" * 20, "Bo"):
        token = generator.told("POST", "/workshop/join", {"code": code, "name": name, "ready_code": "BW-1"})["token"]
        for number in range(3):
            body = {"line": line(score=88, run=f"c{number}"), "failure": "healthy-answers"}
            generator.told("POST", "/workshop/runs", body, token=token)
    desk = visit(f"/facilitator#token={generator.facilitator}")
    desk.click("#scenarios button:has-text('Rush')")
    expect(desk.locator("#people tr")).to_have_count(2)
    assert desk.evaluate(
        "(() => { const s = document.querySelector('.scroll'); return s.scrollWidth <= s.clientWidth; })()"
    )
    expect(desk.locator("#scenarios .active")).to_contain_text("left")
    expect(desk.locator("#scenarios .active .meter b")).to_have_attribute("style", "width: 40%;")
    phone = visit(f"/facilitator#token={generator.facilitator}", width=390)
    numbers = phone.locator("#people tr >> nth=0").locator("td.num:visible")
    expect(numbers).to_have_count(3)  # one lab, total, tickets
    phone.wait_for_function(
        """expected => {
            const cells = [...document.querySelectorAll("#people tr:first-child td.num")].filter(c => c.offsetParent);
            const said = cells.map(c => getComputedStyle(c, "::before").content.replaceAll('"', "").trim());
            return said.join() === expected.join();
        }""",
        arg=["timeouts", "total", "tickets"],
    )
    board = visit("/board", width=390)
    expect(board.locator("#columns .lab span")).to_have_text(["timeouts", "tx", "bulkheads", "autoscale"])
    for name in board.locator("#columns .lab span").all():
        assert name.evaluate("e => getComputedStyle(e).fontSize") != "0px"
    name_px, row_px = (board.evaluate(f"document.querySelector('#leaders {e}').clientWidth") for e in ("th", "tr"))
    assert name_px > row_px / 2
    generator.ask("POST", "/api/simulation/stop", {}, token="facilitator")
