"""A check of step 1 in seconds: no stack, no network, virtual time. Its failures are hints.

`make check LAB=timeouts` runs it. Each test asks the edit for quotes while the pricing service misbehaves in one way.
"""

import asyncio
import time
from pathlib import Path

import pytest

from labsvc.deps import Reply, Request
from labsvc.testing import FakeDependency, answer, drop, error, fake_deps, hang, respond, run_virtual, trickle

LAB = Path(__file__).resolve().parent
PATIENCE_S = 1.0  # how long a customer waits for a quote
LIMIT_S = 30.0  # virtual: a quote that takes longer has no deadline at all


def quote(dependency: FakeDependency, sku: str = "oak-65") -> tuple[Reply, float]:
    """One quote and how many virtual seconds it took. Waits at most LIMIT_S."""

    async def ask() -> tuple[Reply, float]:
        begun_s = time.monotonic()
        try:
            reply = await respond(fake_deps(dependency), LAB, Request("GET", f"/quotes/{sku}"))
        except Exception as raised:  # the host turns what the edit raises into an honest 500
            reply = Reply(500, {"error": str(raised).partition("\n")[0]})
        return reply, time.monotonic() - begun_s

    return run_virtual(ask(), limit_s=LIMIT_S)


def test_a_healthy_quote_is_passed_on() -> None:
    """The price that was quoted is the price that is sold."""
    dependency = FakeDependency(answer(after_ms=40))
    reply, _ = quote(dependency)
    assert reply.status == 200, f"pricing answered in 40 ms, but the quote was {reply.status}: {dict(reply.body)}"
    assert dependency.seen, "the pricing service was never asked: a price must come from it"
    quoted = dependency.seen[0].answer or {}
    assert reply.body.get("price_ref") == quoted.get("price_ref"), "this is not the price that was quoted just now"


def test_a_slow_but_healthy_quote_is_not_given_up() -> None:
    """90 ms is an ordinary answer on an ordinary day."""
    reply, _ = quote(FakeDependency(answer(after_ms=90)))
    assert reply.status != 500, f"the quote fell over ({reply.body['error']})"
    assert reply.status == 200, (
        f"pricing answered in 90 ms, as it often does, but the quote was {reply.status}: too impatient?"
    )


def test_a_call_that_is_never_answered_ends() -> None:
    """The heart of the lab."""
    try:
        reply, took_s = quote(FakeDependency(hang()))
    except TimeoutError:
        pytest.fail("pricing never answered, and the quote is still waiting: what tells this call when to give up?")
    assert took_s <= PATIENCE_S, (
        f"the quote came back after {took_s:.1f} s; the customer had left after {PATIENCE_S:g} s"
    )
    assert reply.status >= 400, (
        f"pricing never answered, yet the quote was {reply.status}: where does its price come from?"
    )


def test_a_body_that_trickles_in_does_not_hold_the_quote() -> None:
    """Each byte comes in time, the whole never does."""
    try:
        _, took_s = quote(FakeDependency(trickle(every_ms=200)))
    except TimeoutError:
        took_s = LIMIT_S
    assert took_s <= PATIENCE_S, (
        f"the answer came byte by byte and held the quote for {took_s:.0f} s or more: a timeout on each read is not a "
        "limit on the whole"
    )


@pytest.mark.parametrize("spoilt", [error(503), drop()], ids=["an_error", "a_cut_connection"])
def test_the_quote_fails_honestly_on(spoilt: object) -> None:
    """No price means no 200."""
    reply, took_s = quote(FakeDependency(spoilt))  # type: ignore[arg-type]
    assert reply.status >= 400, (
        f"pricing gave no price, yet the quote was {reply.status}: where does its price come from?"
    )
    assert reply.status != 500, (
        f"the quote fell over ({reply.body['error']}): tell a failure on purpose, not by a crash"
    )
    assert took_s <= PATIENCE_S, f"a failure that is known at once was told after {took_s:.1f} s"


def test_many_hanging_calls_leave_room_for_healthy_ones() -> None:
    """Calls that were given up give their connection back."""

    async def crowd() -> Reply:
        dependency = FakeDependency(*[hang()] * 20, answer(after_ms=40), pool_size=20)
        deps = fake_deps(dependency)
        waiting = [asyncio.ensure_future(_ask(deps, n)) for n in range(20)]
        await asyncio.sleep(2 * PATIENCE_S)
        reply = await _ask(deps, 20)
        for task in waiting:
            task.cancel()
        return reply

    try:
        reply = run_virtual(crowd(), limit_s=LIMIT_S)
    except TimeoutError:
        pytest.fail("twenty calls hang and hold every connection of the pool: the next quote waits for one for ever")
    assert reply.status == 200, f"pricing is well again, but the quote was {reply.status}"


async def _ask(deps: object, n: int) -> Reply:
    try:
        return await respond(deps, LAB, Request("GET", f"/quotes/home-{n}"))  # type: ignore[arg-type]
    except Exception as raised:
        return Reply(500, {"error": str(raised)})
