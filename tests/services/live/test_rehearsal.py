"""The rehearsal on real processes, and what kill -9 of generator and Postgres in the middle of it costs: nothing."""

import asyncio
import threading
from dataclasses import replace

import pytest
from tests.services.live.conftest import READY_S, Generator

from labdriver.errors import EnvironmentFault, Misuse
from labdriver.rehearse import stage
from labdriver.rehearse.stage import Outcome, Say, Wish, rehearse

CALM_S = 1.5  # between two kills


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bots may take their time to end on a busy machine; those that do not end at all still fail a test."""
    monkeypatch.setattr(stage, "SETTLE_S", 60.0)
    monkeypatch.setattr(stage, "WORLD_WAIT_S", 60.0)


def play(generator: Generator, wish: Wish, *, say: Say = lambda text: None) -> Outcome:
    """Play to the end."""
    generator.stop()
    return asyncio.run(rehearse(generator.url, generator.facilitator, wish, say=say))


def test_books_hold_after_a_quiet_rehearsal(generator: Generator) -> None:
    """Every run and ticket that a bot had confirmed stands on the board once, also where the hour was too fast."""
    for speed in (240, 60, 15):  # a busy machine needs a slower hour for bots to get anywhere
        outcome = play(generator, Wish(bots=20, minutes=17, speed=speed))
        assert outcome.balance.holds, outcome.balance
        assert outcome.failed_bots == ()
        labs = [lab.lab for lab in outcome.labs if lab.solved and lab.tried == 20]
        if labs == ["timeouts"] and outcome.tickets["resolved"]:
            return
    pytest.fail(f"nobody got anywhere, however slow the hour: {outcome.labs}, {outcome.tickets}")


def test_kill_of_generator_and_postgres_loses_nothing(generator: Generator) -> None:
    """Both are killed while bots join, run and handle tickets, twice if there is time; the books match afterwards."""
    for speed in (120, 40, 10):  # a busy machine needs a slower hour for tickets to come between the kills
        outcome, kills = troubled(generator, Wish(bots=30, minutes=32, speed=speed, give_up_s=180))
        assert kills[:2] == ["generator", "postgres"]  # a second round needs a machine that starts them again in time
        assert replace(outcome.balance, tickets_never_opened=0).holds, outcome.balance
        assert outcome.failed_bots == ()
        assert outcome.meter.failed_tries  # the kills were felt
        if outcome.tickets["opened"]:
            return
    pytest.fail("no ticket came, however slow the hour")


def troubled(generator: Generator, wish: Wish) -> tuple[Outcome, list[str]]:
    """Play while both are killed, each as soon as the one before is back; what was killed."""
    kills: list[str] = []
    begun, over = threading.Event(), threading.Event()

    def trouble() -> None:
        begun.wait()  # a start whose answer got lost would be refused the second time: a session is running
        for _ in range(2):
            for name, victim in (("generator", generator), ("postgres", generator.postgres)):
                if over.wait(CALM_S):
                    return
                victim.kill()
                kills.append(name)
                victim.start()

    killer = threading.Thread(target=trouble)
    killer.start()
    try:
        return play(generator, wish, say=lambda text: begun.set()), kills
    finally:
        over.set()
        begun.set()
        killer.join()


def test_session_goes_on_after_the_kills(generator: Generator) -> None:
    """Nothing of the trouble is left: a new session starts and ends."""
    assert generator.session()["state"] == "running"


def test_a_rehearsal_beside_a_session_is_refused_and_ends_nothing(generator: Generator) -> None:
    """What to do is said in people's words; the session of the people goes on."""
    generator.session(name="Real people")
    with pytest.raises(Misuse, match="a session is running there") as refused:
        asyncio.run(rehearse(generator.url, generator.facilitator, Wish(bots=1, minutes=1, speed=600), say=print))
    assert "End the session" in refused.value.next_step
    assert generator.told("GET", "/workshop/board")["session"]["state"] == "running"


def test_a_rehearsal_that_breaks_off_ends_its_session(generator: Generator) -> None:
    """Ctrl-C in the middle leaves a board on which the next session can start."""
    generator.stop()

    async def interrupted() -> None:
        said = asyncio.Event()
        wish = Wish(bots=3, minutes=60, speed=30)
        playing = asyncio.create_task(rehearse(generator.url, generator.facilitator, wish, say=lambda text: said.set()))
        await asyncio.wait_for(said.wait(), READY_S)
        playing.cancel()
        await playing

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted())
    assert generator.told("GET", "/workshop/board")["session"]["state"] == "ended"


def test_a_generator_without_a_business_is_said(generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """No tickets, no scenarios: the rehearsal does not begin, and exits with what to do."""

    async def none(*_: object) -> dict[str, list[object]]:
        return {"scenarios": []}

    monkeypatch.setattr(stage, "WORLD_WAIT_S", 0.0)
    monkeypatch.setattr(stage.Api, "ask", none)
    with pytest.raises(EnvironmentFault, match="no business runs"):
        asyncio.run(rehearse(generator.url, generator.facilitator, Wish(bots=1, minutes=1, speed=600), say=print))
