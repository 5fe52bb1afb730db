"""The rehearsal on real processes, and what kill -9 of generator and Postgres in the middle of it costs: nothing."""

import asyncio
import threading
import time

from tests.services.live.conftest import Generator

from labdriver.rehearse.stage import Outcome, Wish, rehearse


def play(generator: Generator, wish: Wish) -> Outcome:
    """Play to the end."""
    generator.ask("POST", "/workshop/stop", {}, token="facilitator")
    return asyncio.run(rehearse(generator.url, generator.facilitator, wish, say=lambda text: None))


def test_books_hold_after_a_quiet_rehearsal(generator: Generator) -> None:
    """Every run and ticket that a bot had confirmed stands on the board once."""
    outcome = play(generator, Wish(bots=20, minutes=17, speed=240))
    assert outcome.balance.holds, outcome.balance
    assert outcome.failed_bots == ()
    assert [lab.lab for lab in outcome.labs] == ["timeouts"]
    assert outcome.labs[0].tried == 20
    assert outcome.labs[0].solved > 0
    assert outcome.tickets["resolved"] > 0
    assert outcome.meter.count > 50


def test_kill_of_generator_and_postgres_loses_nothing(generator: Generator) -> None:
    """Both are killed, twice, while bots join, run and handle tickets; the books match afterwards."""
    kills: list[str] = []
    stop = threading.Event()

    def trouble() -> None:
        for _ in range(2):
            for name, kill, start in (
                ("generator", generator.kill, generator.start),
                ("postgres", generator.postgres.kill, generator.postgres.start),
            ):
                if stop.wait(1.5):
                    return
                kill()
                kills.append(name)
                start()

    killer = threading.Thread(target=trouble)
    killer.start()
    try:
        outcome = play(generator, Wish(bots=30, minutes=32, speed=120))
    finally:
        stop.set()
        killer.join(60)
    assert kills == ["generator", "postgres", "generator", "postgres"]
    assert outcome.balance.holds, outcome.balance
    assert outcome.failed_bots == ()
    assert outcome.meter.failed_tries  # the kills were felt
    assert outcome.tickets["opened"] > 0


def test_session_goes_on_after_the_kills(generator: Generator) -> None:
    """Nothing of the trouble is left: a new session starts and ends."""
    until_s = time.monotonic() + 20
    while generator.ask("GET", "/workshop/status").status_code != 200:
        assert time.monotonic() < until_s
    assert generator.session()["state"] == "running"
