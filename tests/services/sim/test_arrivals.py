"""Sources: Poisson with the rate they were given, and coupled to what they would have been without modifiers.

Bounds are stated in standard errors; the seeds are fixed, so a test that passes once passes always.
"""

import math
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labsvc.sim.arrivals import Source
from labsvc.sim.entity import Entity
from labsvc.sim.envelope import Curve, Envelope
from labsvc.sim.instant import DAY_US, HOUR_US, MINUTE_US
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifier import Kind
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.rate import Rate, TimeOfDay, Weekday

Shop = Callable[..., Any]  # conftest's fixture: options → Run

DAY_CURVE = TimeOfDay(((0, 0.2), (8, 1.0), (12, 1.6), (18, 1.2), (22, 0.4)))
WEEK = Weekday((1.0, 1.0, 1.0, 1.0, 1.2, 1.5, 0.5))
VARYING = Rate(60, (DAY_CURVE, WEEK))


class Seen:
    """What a source delivered: id → instant."""

    def __init__(self, kernel: Kernel) -> None:
        self.at_us: dict[str, int] = {}
        self._kernel = kernel

    def __call__(self, entity: Entity) -> None:
        self.at_us[entity.id] = self._kernel.now_us

    def within(self, from_us: int, until_us: int) -> int:
        return sum(from_us <= t < until_us for t in self.at_us.values())


def source(rate: Rate, *, seed: int = 7) -> tuple[Kernel, Modifiers, Seen]:
    kernel = Kernel(world="test", seed=seed)
    modifiers, seen = Modifiers(kernel), Seen(kernel)
    Source(kernel, modifiers, "orders", rate, seen)
    return kernel, modifiers, seen


def hold(start_h: float, stop_h: float, **curves: Curve) -> Envelope:
    onset, settling = curves.get("onset", Curve()), curves.get("settling", Curve())
    return Envelope(round(start_h * HOUR_US), onset, settling, round(stop_h * HOUR_US))


@pytest.mark.parametrize("rate", [Rate(60), VARYING], ids=["steady", "varying"])
def test_counts_are_poisson(rate: Rate) -> None:
    """Dispersion of minute counts over 10 days is 1 within 4 standard errors, sqrt((2 + mean 1/rate) / n).

    99.99 % of right generators pass; one with a tenth more or less variance would be 6 standard errors off.
    """
    kernel, _, seen = source(rate)
    kernel.run_until(10 * DAY_US)
    counts = Counter(t // MINUTE_US for t in seen.at_us.values())
    n, total, inverse = 10 * 24 * 60, 0.0, 0.0
    for minute in range(n):
        mean = rate.expected(minute * MINUTE_US, (minute + 1) * MINUTE_US)
        total += (counts[minute] - mean) ** 2 / mean
        inverse += 1 / mean
    assert abs(total / n - 1) < 4 * math.sqrt((2 + inverse / n) / n)


def test_the_shape_of_day_and_week_is_the_configured_one() -> None:
    """Chi-square of 168 weekly hours over 8 weeks: below the 99.9 % point of 168 degrees of freedom."""
    kernel, _, seen = source(VARYING)
    kernel.run_until(56 * DAY_US)
    counts = Counter(t // HOUR_US % 168 for t in seen.at_us.values())
    expected = [8 * VARYING.expected(h * HOUR_US, (h + 1) * HOUR_US) for h in range(168)]
    assert sum((counts[h] - e) ** 2 / e for h, e in enumerate(expected)) < 230.4


def test_gaps_of_a_steady_source_are_exponential() -> None:
    """Kolmogorov-Smirnov distance of 14,000 gaps: below the 99.9 % point, 1.95 / sqrt(n)."""
    kernel, _, seen = source(Rate(60))
    kernel.run_until(10 * DAY_US)
    times = list(seen.at_us.values())
    gaps = sorted(b - a for a, b in pairwise(times))
    n = len(gaps)
    distance = max(abs((k + 0.5) / n - (1 - math.exp(-gap / MINUTE_US))) for k, gap in enumerate(gaps))
    assert distance < 1.95 / math.sqrt(n)


INCREASE: list[tuple[Kind, float, float]] = [("multiplier", 2.5, 150), ("additive", 45, 105), ("override", 90, 90)]
DECREASE: list[tuple[Kind, float, float]] = [("multiplier", 0.4, 24), ("additive", -40, 20), ("override", 15, 15)]


@pytest.mark.parametrize(("kind", "amount", "per_hour"), INCREASE + DECREASE)
def test_a_modified_rate_is_met_between_its_very_instants(kind: Kind, amount: float, per_hour: float) -> None:
    """Counts before, during and after 200 hours of a modifier: each within 4 standard errors of its own rate."""
    kernel, modifiers, seen = source(Rate(60))
    modifiers.start("m", "orders", kind, amount, hold(200.3, 400.3))
    kernel.run_until(600 * HOUR_US)
    for from_h, until_h, rate in ((0, 200.3, 60), (200.3, 400.3, per_hour), (400.3, 600, 60)):
        expected = rate * (until_h - from_h)
        got = seen.within(round(from_h * HOUR_US), round(until_h * HOUR_US))
        assert abs(got - expected) < 4 * math.sqrt(expected)


def test_ramps_and_several_modifiers_give_the_combined_rate() -> None:
    """Two multipliers, an additive and an override with slow curves over a varying rate, in 30-minute cells.

    The chi-square of the 472 cells in which any are due stays below its 99.9 % point (573) for the combined rate.
    """
    kernel, modifiers, seen = source(VARYING)
    slow = Curve(curve="exponential", duration_s=8 * 3600)
    ramp = Curve(curve="linear", duration_s=6 * 3600)
    modifiers.start("a", "orders", "multiplier", 3, hold(20, 90, onset=ramp, settling=slow))
    modifiers.start("b", "orders", "multiplier", 0.5, hold(60, 120, onset=slow, settling=ramp))
    modifiers.start("c", "orders", "additive", 30, hold(80, 150, onset=ramp))
    modifiers.start("d", "orders", "override", 50, hold(140, 180, settling=ramp))
    modifiers.start("e", "orders", "multiplier", 0, hold(200, 204, settling=Curve(duration_s=7200, spike_ratio=2)))
    cell_us = HOUR_US // 2
    means: list[float] = []
    for cell in range(480):
        mean = 0.0
        for part in range(10):
            kernel.run_until(cell * cell_us + (2 * part + 1) * cell_us // 20)
            mean += modifiers.value("orders", VARYING.at(kernel.now_us)) / 20
        means.append(mean)
    kernel.run_until(480 * cell_us)
    counts = Counter(t // cell_us for t in seen.at_us.values())
    assert sum(counts[cell] for cell, mean in enumerate(means) if mean == 0) == 0
    assert sum((counts[cell] - mean) ** 2 / mean for cell, mean in enumerate(means) if mean > 0) < 573


@given(
    st.lists(
        st.tuples(st.sampled_from(INCREASE + DECREASE), st.floats(0, 30), st.floats(0, 30)), min_size=1, max_size=4
    )
)
@settings(max_examples=25)
def test_the_baseline_is_the_same_with_and_without_modifiers(
    chosen: list[tuple[tuple[Kind, float, float], float, float]],
) -> None:
    """Baseline arrivals that were not taken away keep id and instant; those taken away are in the truth."""
    plain_kernel, _, plain = source(VARYING)
    plain_kernel.run_until(60 * HOUR_US)
    kernel, modifiers, seen = source(VARYING)
    for k, ((kind, amount, _), start_h, length_h) in enumerate(chosen):
        modifiers.start(f"m{k}", "orders", kind, amount, hold(start_h, start_h + length_h))
    kernel.run_until(60 * HOUR_US)
    baseline = {id: t for id, t in seen.at_us.items() if "+" not in id}
    removed = {note.id: note.at_us for note in kernel.truth.rows if note.what == "removed" and "+" not in note.id}
    assert baseline.keys() & removed.keys() == set()
    assert {**baseline, **removed} == plain.at_us
    extra = sum("+" in id for id in seen.at_us)
    assert extra == sum(n for (what, _, _), n in kernel.truth.counts.items() if what == "added")


def test_a_later_modifier_does_not_move_the_extras_of_an_earlier_one() -> None:
    """Adding b leaves a's extra arrivals where they were."""
    runs = []
    for with_b in (False, True):
        kernel, modifiers, seen = source(VARYING)
        modifiers.start("a", "orders", "multiplier", 2, hold(5, 50))
        if with_b:
            modifiers.start("b", "orders", "multiplier", 1.5, hold(20, 40))
        kernel.run_until(60 * HOUR_US)
        runs.append({id: t for id, t in seen.at_us.items() if id.startswith("orders+a#")})
    assert runs[0] == runs[1]
    assert len(runs[0]) > 500


def test_another_baseline_rate_holds_from_its_instant() -> None:
    """240 per hour for 100 hours, then 30: each within 4 standard errors."""
    kernel = Kernel(world="test", seed=7)
    seen = Seen(kernel)
    orders = Source(kernel, Modifiers(kernel), "orders", Rate(240), seen)
    kernel.run_until(100 * HOUR_US)
    orders.set_rate(Rate(30))
    kernel.run_until(300 * HOUR_US)
    assert abs(seen.within(0, 100 * HOUR_US) - 24_000) < 4 * math.sqrt(24_000)
    assert abs(seen.within(100 * HOUR_US, 300 * HOUR_US) - 6_000) < 4 * math.sqrt(6_000)


def test_a_source_of_rate_nothing_sleeps_until_it_gets_one() -> None:
    """No events at rate 0, arrivals again after set_rate, and an additive works on nothing too."""
    kernel = Kernel(world="test", seed=7)
    modifiers, seen = Modifiers(kernel), Seen(kernel)
    orders = Source(kernel, modifiers, "orders", Rate(0), seen)
    assert kernel.run_until(100 * HOUR_US) == 0
    modifiers.start("m", "orders", "additive", 60, hold(110, 120))
    kernel.run_until(130 * HOUR_US)
    assert {id.split("#")[0] for id in seen.at_us} == {"orders+m"}
    orders.set_rate(Rate(60))
    kernel.run_until(140 * HOUR_US)
    assert seen.within(130 * HOUR_US, 140 * HOUR_US) > 0


def test_present_shows_every_reason_of_a_rate() -> None:
    """Base, factors, what each modifier adds or takes, and the sum."""
    kernel = Kernel(world="test", seed=7)
    modifiers = Modifiers(kernel)
    orders = Source(kernel, modifiers, "orders", Rate(60, (DAY_CURVE,)), lambda _: None)
    modifiers.start("rush", "orders", "multiplier", 2, hold(1, 20))
    modifiers.start("jam", "orders", "multiplier", 0.75, hold(1, 20))
    kernel.run_until(8 * HOUR_US)
    assert orders.present() == {
        "base_per_hour": 60,
        "time_of_day": 1.0,
        "rush": 60,
        "jam": -30,
        "per_hour": 90,
    }


def test_adding_streams_leaves_all_other_records_unchanged(shop: Shop) -> None:
    """Twenty more sources: every stream of the shop has the same hash as before."""
    before = shop().hours(48).hash.streams()
    after = shop(more=20).hours(48).hash.streams()
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 20
    assert shop(seed=2).hours(48).hash.streams().keys() == before.keys()
    assert not set(shop(seed=2).hours(48).hash.streams().values()) & set(before.values())
