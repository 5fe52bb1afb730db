"""Times the workshop on a whole stack with its living business: triggers, and the hour with 80 and with 300 bots.

Bots and stack share the machine; the times are the bots', so waiting for the processor is in them.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from tests.services.live.talker import Talker

from bench._checkout import Checkout
from bench.kit import Bench, Result, Say
from labdriver import join
from labdriver.rehearse.stage import Wish, rehearse

BOTS = (80, 300)
SPEED = 6  # the hour in ten minutes
MINUTES = 60.0
TRIGGERS = ("rush-orders", "happy-customers", "service-crisis", "price-hunt", "launch-day", "report-season")
START_LIMIT_S = 30.0
BOOKS_LIMIT_S = 60.0  # for what is not yet delivered


def run(say: Say) -> Iterator[Result]:
    """All figures of the workshop."""
    with tempfile.TemporaryDirectory() as scratch:
        kit = Checkout(Path(scratch))
        try:
            kit.timed("up")
            url, token = _address(kit, "GENERATOR"), join.new_token()
            join.ask(url, "PUT", "/workshop/facilitator", body={"token": token}, timeout_s=START_LIMIT_S)
            _until_lives(url)
            yield _triggers(url, token, say)
            for bots in BOTS:
                yield from _hour(url, token, bots, say)
            yield _books(url, _address(kit, "API"))
        finally:
            kit.timed("down")


def _address(kit: Checkout, role: str) -> str:
    return f"http://127.0.0.1:{kit.env[f'LAB_{role}_PORT']}"


def _until_lives(url: str) -> None:
    """Wait for the business: it opens a moment after the generator."""
    until_s = time.monotonic() + START_LIMIT_S
    while not all(world["running"] for world in join.ask(url, "GET", "/api/simulation/state")["worlds"]):
        if time.monotonic() > until_s:
            raise TimeoutError(f"no business runs at {url} after {START_LIMIT_S:g} s")
        time.sleep(0.1)


def _triggers(url: str, token: str, say: Say) -> Result:
    """From the request of a facilitator until a client has the first event that is there because of it."""
    took_ms = []
    client = Talker(int(url.rsplit(":", 1)[1]))
    client.shake()
    client.subscribe("news", token=token)
    for scenario in TRIGGERS:
        seen = _caused(client, scenario)
        begun_s = time.monotonic()
        join.ask(url, "POST", "/api/simulation/scenario", body={"scenarioId": scenario}, token=token)
        client.until(lambda scenario=scenario, seen=seen: _caused(client, scenario) > seen)  # type: ignore[misc]
        took_ms.append((time.monotonic() - begun_s) * 1000)
        join.ask(url, "POST", "/api/simulation/reset", body={}, token=token)
    say(f"triggers: {', '.join(f'{ms:.0f}' for ms in took_ms)} ms")
    how = f"{len(took_ms)} scenarios, median {statistics.median(took_ms):.0f} ms; request sent to event read"
    return Result("scenario trigger to first changed event", max(took_ms), "ms", how, at_most=200)


def _caused(client: Talker, scenario: str) -> int:
    """How many events there were because of a scenario."""
    causes = [event.get("cause") or {} for event in client.events()]
    return sum(str(cause.get("scenario", "")).split(".")[0] == scenario for cause in causes)


def _hour(url: str, token: str, bots: int, say: Say) -> Iterator[Result]:
    say(f"{bots} bots, {MINUTES / SPEED:g} minutes")
    wish = Wish(bots=bots, minutes=MINUTES, speed=SPEED)
    outcome = asyncio.run(rehearse(url, token, wish, say=lambda text: None))
    meter = outcome.meter
    how = f"{meter.count} answers in {outcome.took_s:.0f} s, the hour at {SPEED}x"
    yield Result(f"API p50, {bots} bots", meter.p_ms(0.5), "ms", how)
    yield Result(f"API p95, {bots} bots", meter.p_ms(0.95), "ms", how, at_most=100)
    wrong = sum(vars(outcome.balance).values()) + len(outcome.failed_bots)
    tickets = outcome.tickets["resolved"] + outcome.tickets["escalated"]
    told = f"bots' books against the board's: {meter.count} answers, {tickets} tickets handled"
    yield Result(f"lost or doubled, {bots} bots", wrong, "", told, at_most=0)
    yield Result(f"generator's processor, {bots} bots", outcome.server_cores, "cores", "from its /metrics")


def _books(generator: str, api: str) -> Result:
    """Orders that the business has and the shop has not, or the reverse, once all is delivered."""
    until_s = time.monotonic() + BOOKS_LIMIT_S
    while True:
        world = httpx.get(f"{generator}/api/simulation/state", timeout=10).json()["worlds"][0]["figures"]
        shop = httpx.get(f"{api}/shop/books", timeout=10).json()
        differ = abs(world["orders"] - shop["orders"]) + abs(world["amountCents"] - shop["amount_cents"])
        if differ == 0 or time.monotonic() > until_s:
            told = (
                f"{shop['orders']} orders, {shop['amount_cents']} cents in the shop; {world['undelivered']} under way"
            )
            return Result("orders and cents that the books differ by", differ, "", told, at_most=0)
        time.sleep(0.2)


BENCH = Bench("the workshop with bots", run)
