"""Values that modifiers and shifts change, and who is told of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsvc.errors import Misuse
from labsvc.sim.envelope import Curve, Envelope
from labsvc.sim.instant import DAY_US, HOUR_US, MINUTE_US
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.queueing import Station
from labsvc.sim.shifts import Shift, follow, on_duty
from labsvc.sim.value import Value

MONDAY_US = 4 * DAY_US
WEEK = (Shift(4, 8, 16, days=(0, 1, 2, 3, 4)), Shift(2, 14, 22, days=(0, 1, 2, 3, 4)), Shift(1, 22, 6))


def test_a_watcher_follows_a_ramp_minute_by_minute(kernel: Kernel, modifiers: Modifiers) -> None:
    """Told when the modifier comes, at every minute while it acts, and when it is gone."""
    value = Value(kernel, modifiers, "staff", 10)
    seen: list[tuple[float, float]] = []
    value.watch(lambda: seen.append((kernel.now_us / MINUTE_US, round(value.present(), 3))))
    ramp = Curve(curve="linear", duration_s=240)
    modifiers.start("ill", "staff", "override", 2, Envelope(0, ramp, ramp, 6 * MINUTE_US))
    kernel.run_until(60 * MINUTE_US)
    found = dict(seen)
    assert [found[minute] for minute in range(11)] == [10, 8, 6, 4, 2, 2, 2, 4, 6, 8, 10]
    assert max(minute for minute, _ in seen) < 12


@pytest.mark.parametrize(
    ("day", "hour", "count"),
    [(0, 7.99, 0), (0, 8, 4), (0, 14, 6), (0, 16, 2), (0, 21.9, 2), (0, 22, 1), (1, 5.9, 1), (1, 6, 0), (5, 12, 0)],
)
def test_shifts_add_up(day: int, hour: float, count: int) -> None:
    """Overlapping ones, over midnight, and none at the weekend but the night's."""
    assert on_duty(WEEK, MONDAY_US + day * DAY_US + round(hour * HOUR_US)) == count


@given(st.integers(0, 14 * DAY_US), st.integers(0, DAY_US))
def test_between_changes_the_count_is_the_same(from_us: int, later_us: int) -> None:
    """No change is missed."""
    at_us = MONDAY_US + from_us
    until_us = min(shift.next_change_us(at_us) for shift in WEEK)
    if at_us + later_us < until_us:
        assert on_duty(WEEK, at_us + later_us) == on_duty(WEEK, at_us)


def test_a_station_follows_its_shifts_and_a_scenario_on_top(modifiers: Modifiers, kernel: Kernel) -> None:
    """Four from 8, six from 14, two from 16; with one half of them ill, half of each."""
    kernel.run_until(MONDAY_US)
    desk = Station(kernel, "desk", 0)
    staff = Value(kernel, modifiers, "desk.staff", 0)
    staff.watch(lambda: desk.staff(round(staff.present())))
    follow(kernel, staff, WEEK)
    modifiers.start(
        "flu", "desk.staff", "multiplier", 0.5, Envelope(MONDAY_US + DAY_US, Curve(), Curve(), MONDAY_US + 2 * DAY_US)
    )
    seen = []
    for hour in (7, 9, 15, 17, 23, 24 + 9, 24 + 15, 48 + 9):
        kernel.run_until(MONDAY_US + hour * HOUR_US)
        seen.append(desk.on_duty())
    assert seen == [0, 4, 6, 2, 1, 2, 3, 4]


@pytest.mark.parametrize("shift", [Shift(1, 24, 6), Shift(1, 8, 25), Shift(-1, 8, 16)])
def test_a_shift_that_no_day_has_is_refused(kernel: Kernel, modifiers: Modifiers, shift: Shift) -> None:
    """The message shows it."""
    with pytest.raises(Misuse, match="is no shift"):
        follow(kernel, Value(kernel, modifiers, "staff", 1), [shift])
