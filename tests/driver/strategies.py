"""Edits of the timeouts lab as the simulation of record_builder.py plays them: right ones, wrong ones, lies.

A strategy is a generator for one request: it yields what it does (Ask the dependency, Wait) and returns its answer.
"""

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

INVENTED_CENTS = 12_900_000


@dataclass(frozen=True)
class Ask:
    """A strategy asks the dependency. `deadline_s` counts from now and includes waiting for a connection."""

    deadline_s: float | None = None


@dataclass(frozen=True)
class Wait:
    """A strategy does nothing for a while; None: for ever."""

    for_s: float | None


@dataclass(frozen=True)
class Got:
    """How a call ended: answered, error, drop or late."""

    how: str
    price: dict[str, Any] | None = None


@dataclass(frozen=True)
class Asked:
    """What a strategy sees of a request, as an edit would."""

    sku: str
    agent: str  # the User-Agent header
    known: dict[str, dict[str, Any]]  # lives as long as the process


Reply = tuple[int, dict[str, Any] | None]
Steps = Generator[Ask | Wait, Got, Reply]
Strategy = Callable[[Asked], Steps]


def price_of(got: Got, *, stale: bool = False) -> Reply:
    assert got.price is not None
    return 200, {**got.price, "stale": stale}


def invented(asked: Asked) -> Reply:
    return 200, {"sku": asked.sku, "price_cents": INVENTED_CENTS, "currency": "USD", "stale": False}


def starter(asked: Asked) -> Steps:
    """No timeout at all."""
    got = yield Ask()
    return price_of(got) if got.price else (500, None)


def stuck(asked: Asked) -> Steps:
    """Loops for ever."""
    yield Wait(None)
    return 500, None


def deadline(limit_s: float) -> Strategy:
    """The solution's shape: one deadline, then an honest failure."""

    def quote(asked: Asked) -> Steps:
        got = yield Ask(limit_s)
        return price_of(got) if got.price else (504 if got.how == "late" else 503, None)

    return quote


def one_retry(asked: Asked) -> Steps:
    got = yield Ask(0.3)
    if not got.price:
        got = yield Ask(0.3)
    return price_of(got) if got.price else (504, None)


def stale_price(asked: Asked) -> Steps:
    got = yield Ask(0.3)
    if got.price:
        asked.known[asked.sku] = got.price
        return price_of(got)
    known = asked.known.get(asked.sku)
    return (200, {**known, "stale": True}) if known else (504, None)


def invented_price(asked: Asked) -> Steps:
    got = yield Ask(0.3)
    return price_of(got) if got.price else invented(asked)


def drop_the_call(asked: Asked) -> Steps:
    yield Wait(0.001)
    return invented(asked)


def cache(*, stale: bool) -> Strategy:
    """Asks once for each home and keeps that price for ever, marked or not."""

    def quote(asked: Asked) -> Steps:
        if asked.sku not in asked.known:
            got = yield Ask(0.3)
            if not got.price:
                return 500, None
            asked.known[asked.sku] = got.price
        else:
            yield Wait(0.001)
        return 200, {**asked.known[asked.sku], "stale": stale}

    return quote


def refuse_all(asked: Asked) -> Steps:
    yield Wait(0.001)
    return 503, None


def health_checks_only(asked: Asked) -> Steps:
    yield Wait(None)
    return 503, None


def only_browsers(asked: Asked) -> Steps:
    if "Mozilla" not in asked.agent:
        yield Wait(0.001)
        return 503, None
    got = yield Ask(0.4)
    return price_of(got) if got.price else (504, None)


def detect_load_tool(asked: Asked) -> Steps:
    if "Mozilla" not in asked.agent:
        yield Wait(0.001)
        return invented(asked)
    got = yield Ask(0.4)
    return price_of(got) if got.price else (504, None)


def empty_200(asked: Asked) -> Steps:
    got = yield Ask(0.3)
    return price_of(got) if got.price else (200, None)


def some_refused(share_ratio: float, *, lie: bool) -> Strategy:
    """Right, but every so often a request is not served: honestly, or with an invented price."""
    dice = random.Random(7)

    def quote(asked: Asked) -> Steps:
        if dice.random() < share_ratio:
            yield Wait(0.001)
            return invented(asked) if lie else (503, None)
        got = yield Ask(0.3)
        return price_of(got) if got.price else (504, None)

    return quote
