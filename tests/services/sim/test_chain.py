"""Chains: nothing is lost, nothing is orphaned, odds and delays are what the data says."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labsvc.errors import Misuse
from labsvc.sim.chain import Chain, Step
from labsvc.sim.entity import Origin, entity
from labsvc.sim.envelope import Curve, Envelope
from labsvc.sim.instant import HOUR_US
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.queueing import Station
from labsvc.sim.record import Record

Shop = Callable[..., Any]
NOW = Envelope(0, Curve(), Curve())

BOOKING = {
    "requested": Step.model_validate(
        {"stream": "requested", "one_of": {"confirmed": 0.75, "declined": 0.15, "nothing": 0.10}}
    ),
    "confirmed": Step.model_validate(
        {"stream": "confirmed", "delay": {"kind": "uniform", "min_s": 7200, "max_s": 86400}, "also": {"rated": 0.5}}
    ),
    "declined": Step.model_validate({"stream": "declined", "delay": {"kind": "uniform", "min_s": 60, "max_s": 600}}),
    "rated": Step.model_validate({"stream": "rated", "delay": {"kind": "lognormal", "median_s": 3600, "sigma": 1}}),
}


def booked(kernel: Kernel, modifiers: Modifiers, n: int) -> tuple[Chain, list[Record]]:
    chain = Chain(kernel, modifiers, "booking", BOOKING, first="requested")
    records: list[Record] = []
    kernel.observe(records.append)
    for k in range(1, n + 1):
        chain.enter(entity(Origin("bookings"), k))
    return chain, records


def test_odds_are_within_their_binomial_bounds(kernel: Kernel, modifiers: Modifiers) -> None:
    """10,000 requests: every share within 4 standard errors."""
    _, records = booked(kernel, modifiers, 10_000)
    kernel.run_until(10_000 * HOUR_US)
    found = Counter(record.stream for record in records)
    for stream, p, n in (
        ("confirmed", 0.75, 10_000),
        ("declined", 0.15, 10_000),
        ("rated", 0.5, found["confirmed"]),
    ):
        assert abs(found[stream] / n - p) < 4 * math.sqrt(p * (1 - p) / n)


def test_delays_stay_within_their_limits(kernel: Kernel, modifiers: Modifiers) -> None:
    """Confirmed after 2 to 24 hours, declined after 1 to 10 minutes."""
    _, records = booked(kernel, modifiers, 2000)
    kernel.run_until(1000 * HOUR_US)
    waits = {s: [r.at_us / 1e6 for r in records if r.stream == s] for s in ("confirmed", "declined")}
    assert 7200 <= min(waits["confirmed"]) < 7500
    assert 86_000 < max(waits["confirmed"]) <= 86_400
    assert min(waits["declined"]) >= 60
    assert max(waits["declined"]) <= 600


@given(st.integers(0, 1000), st.floats(0.1, 40))
@settings(max_examples=15)
def test_every_entity_is_accounted_for_at_any_instant(shop: Shop, seed: int, hours: float) -> None:
    """entered = ended + left + pending for every step, and every child has a parent that came before."""
    run = shop(seed=seed).hours(hours)
    chain, desk = run.shop.chain, run.shop.desk
    at_us = {record.id: record.at_us for record in run.records}
    assert len(at_us) == len(run.records)
    for record in run.records:
        if record.parent is not None:
            assert at_us[record.parent] <= record.at_us
    streams = Counter(record.stream for record in run.records)
    assert chain.entered["placed"] == streams["orders"] == run.shop.orders.arrived
    assert streams["orders"] == sum(chain.entered[step] for step in ("paid", "declined"))
    assert chain.left["question"] == desk.reneged == chain.entered["gone"]
    assert chain.pending("question") >= desk.waiting + desk.present()["in_service"]
    assert all(chain.pending(step) >= 0 for step in chain.entered)
    present = desk.present()
    assert present["offered"] == sum(n for name, n in present.items() if name != "offered")


def test_extra_arrivals_do_not_change_the_fate_of_others(shop: Shop) -> None:
    """Payments of baseline orders are the same, to the byte, while orders are tripled."""
    plain, modified = shop(), shop()
    envelope = Envelope(modified.kernel.now_us + HOUR_US, Curve(), Curve())
    modified.simulation.modifiers.start("rush", "orders", "multiplier", 3, envelope)
    plain.hours(30)
    modified.hours(30)
    for stream in ("orders", "payments", "declines"):
        assert modified.baseline(stream) == plain.baseline(stream)
    extra = [r for r in modified.records if r.cause == "modifier:rush"]
    assert {r.stream for r in extra} >= {"orders", "payments", "declines", "questions"}
    assert all("+rush#" in r.id for r in extra)


def test_a_changed_course_carries_its_cause(shop: Shop) -> None:
    """Orders that only a modifier made fail say so; those that fail anyway do not."""
    plain, modified = shop().hours(30), shop()
    modified.simulation.modifiers.start("outage", "order.placed.declined", "shift", 3.0, NOW)
    modified.hours(30)
    declined = [r for r in modified.records if r.stream == "declines"]
    assert {r.cause for r in declined} == {"baseline", "modifier:outage"}
    assert [r.id for r in declined if r.cause == "baseline"] == [r.id for r in plain.baseline("declines")]


def test_a_stretched_delay_is_stretched(kernel: Kernel, modifiers: Modifiers) -> None:
    """A value target of each step: 3 times as long."""
    modifiers_kernel = Kernel(world="test", seed=7)
    _, plain = booked(kernel, modifiers, 300)
    slow_modifiers = Modifiers(modifiers_kernel)
    chain = Chain(modifiers_kernel, slow_modifiers, "booking", BOOKING, first="requested")
    slow: list[Record] = []
    modifiers_kernel.observe(slow.append)
    slow_modifiers.start("m", "booking.declined.delay", "multiplier", 3, NOW)
    for k in range(1, 301):
        chain.enter(entity(Origin("bookings"), k))
    kernel.run_until(100 * HOUR_US)
    modifiers_kernel.run_until(100 * HOUR_US)
    times = [{r.id: r.at_us for r in records if r.stream == "declined"} for records in (plain, slow)]
    assert times[1] == {id: 3 * t for id, t in times[0].items()}


def test_every_fault_of_a_chain_is_told_at_once(kernel: Kernel, modifiers: Modifiers) -> None:
    """Unknown steps and stations, odds that do not add up, steps never reached, rounds without an end."""
    steps = {
        "a": Step(stream="a", one_of={"b": 0.5, "x": 0.3}),
        "b": Step(stream="b", also={"c": 1.0}),
        "c": Step(stream="c", also={"b": 1.0}),
        "d": Step.model_validate(
            {"stream": "d", "visit": {"station": "desk", "service": {"kind": "constant", "seconds": 1}}}
        ),
    }
    with pytest.raises(Misuse) as refused:
        Chain(kernel, modifiers, "broken", steps, first="a", stations={"counter": Station(kernel, "counter", 1)})
    for words in (
        "step 'a' leads to 'x', which is not one of: a, b, c, d",
        "one_of of step 'a' adds up to 0.8",
        "step 'd' waits at station 'desk', expected one of: counter",
        "step 'd' is never reached from 'a'",
        "steps b → c → b go round for ever",
    ):
        assert words in str(refused.value)


def test_who_gives_up_goes_the_other_way_under_the_same_id(kernel: Kernel, modifiers: Modifiers) -> None:
    """A caller without a server has one record, on the stream of giving up, and may call again."""
    steps = {
        "call": Step.model_validate(
            {
                "stream": "answered",
                "visit": {
                    "station": "desk",
                    "service": {"kind": "constant", "seconds": 60},
                    "patience": {"kind": "constant", "seconds": 30},
                    "reneged": "gave-up",
                },
            }
        ),
        "gave-up": Step.model_validate({"stream": "gave-up", "also": {"again": 1.0}}),
        "again": Step.model_validate({"stream": "again", "delay": {"kind": "constant", "seconds": 300}}),
    }
    desk = Station(kernel, "desk", 1)
    chain = Chain(kernel, modifiers, "calls", steps, first="call", stations={"desk": desk})
    records: list[Record] = []
    kernel.observe(records.append)
    chain.enter(entity(Origin("calls"), 1))
    chain.enter(entity(Origin("calls"), 2))
    kernel.run_until(HOUR_US)
    assert [(r.id, r.stream, r.at_us // 1_000_000) for r in records] == [
        ("calls#2", "gave-up", 30),
        ("calls#1", "answered", 60),
        ("calls#2/again", "again", 330),
    ]
