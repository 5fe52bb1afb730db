"""Who is on duty when: shifts over the week that set a value, staff as a rule.

    shifts ──at every change──▶ Value.set_normal ──▶ whoever watches, `Station.staff` say

Scenarios act on the value, so "two people are ill" and the evening's end of work combine as any modifier does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from labsvc.errors import Misuse
from labsvc.sim.instant import DAY_US, HOUR_US, weekday
from labsvc.sim.kernel import Kernel
from labsvc.sim.value import Value

EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)


@dataclass(frozen=True)
class Shift:
    """So many on duty from one hour to another, on some days of the week (Monday 0); over midnight when to ≤ from."""

    count: int
    from_h: float
    to_h: float
    days: tuple[int, ...] = EVERY_DAY
    utc_offset_h: float = 0

    def covers(self, at_us: int) -> bool:
        local_us = at_us + round(self.utc_offset_h * HOUR_US)
        hour, today = local_us % DAY_US / HOUR_US, weekday(local_us)
        if self.from_h < self.to_h:
            return today in self.days and self.from_h <= hour < self.to_h
        yesterday = (today - 1) % 7
        return (today in self.days and hour >= self.from_h) or (yesterday in self.days and hour < self.to_h)

    def next_change_us(self, at_us: int) -> int:
        """The next instant after `at_us` at which it may begin or end."""
        offset_us = round(self.utc_offset_h * HOUR_US)
        midnight_us = (at_us + offset_us) // DAY_US * DAY_US - offset_us
        turns = [midnight_us + round(hour * HOUR_US) for hour in (self.from_h, self.to_h)]
        return min(turn if turn > at_us else turn + DAY_US for turn in turns)


def on_duty(shifts: Sequence[Shift], at_us: int) -> int:
    """How many the shifts that cover an instant add up to."""
    return sum(shift.count for shift in shifts if shift.covers(at_us))


def follow(kernel: Kernel, value: Value, shifts: Sequence[Shift]) -> None:
    """Let a value follow shifts from now on. Raises Misuse for hours that no day has."""
    for shift in shifts:
        if not (0 <= shift.from_h < 24 and 0 <= shift.to_h <= 24 and shift.count >= 0):
            raise Misuse(f"{shift} is no shift, expected hours from 0 to 24 and a count of 0 or more")

    def turn(_: None) -> int | None:
        count = on_duty(shifts, kernel.now_us)
        if count != value.normal:
            value.set_normal(count)
        return min((shift.next_change_us(kernel.now_us) for shift in shifts), default=None)

    kernel.at(kernel.now_us, turn, None)
