"""How often something happens: a base per hour times factors of the time, each of them readable.

    rate(t) = base × time of day × weekday × calendar × trend        (times modifiers, which `arrivals.py` applies)

Every factor also gives a bound that holds until its next knot; with those, thinning is exact and cheap. All times
are UTC; a time of day may be shifted to a region's clock.
"""

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from labsvc.sim.instant import DAY_US, HOUR_US, NEVER_US, instant_us, weekday

_MONTH_US = 30 * DAY_US
_NODES = ((-0.8611363115940526, 0.3478548451374538), (-0.3399810435848563, 0.6521451548625461))  # Gauss, 4 points


class Factor(Protocol):
    """One reason why a rate is higher or lower at times."""

    @property
    def name(self) -> str: ...

    def at(self, at_us: int) -> float:
        """The factor at an instant, 0 or more."""
        ...

    def bound(self, at_us: int) -> tuple[float, int]:
        """(highest factor from `at_us` on, instant until which that holds)."""
        ...


@dataclass(frozen=True)
class TimeOfDay:
    """A curve over the day through (hour, factor) points, straight between them and round midnight."""

    points: tuple[tuple[float, float], ...]
    utc_offset_h: float = 0
    name: str = "time_of_day"

    def at(self, at_us: int) -> float:
        hour = self._hour(at_us)
        (h0, f0), (h1, f1) = self._around(hour)
        return f0 + (f1 - f0) * (hour - h0) / (h1 - h0)

    def bound(self, at_us: int) -> tuple[float, int]:
        hour = self._hour(at_us)
        (_, f0), (h1, f1) = self._around(hour)
        return max(f0, f1), at_us + max(1, math.ceil((h1 - hour) * HOUR_US))

    def _hour(self, at_us: int) -> float:
        return ((at_us + self.utc_offset_h * HOUR_US) % DAY_US) / HOUR_US

    def _around(self, hour: float) -> tuple[tuple[float, float], tuple[float, float]]:
        points = self.points
        before = (points[-1][0] - 24, points[-1][1])
        for point in points:
            if hour < point[0]:
                return before, point
            before = point
        return before, (points[0][0] + 24, points[0][1])


@dataclass(frozen=True)
class Weekday:
    """One factor a day of the week, Monday first."""

    factors: tuple[float, float, float, float, float, float, float]
    name: str = "weekday"

    def at(self, at_us: int) -> float:
        return self.factors[weekday(at_us)]

    def bound(self, at_us: int) -> tuple[float, int]:
        return self.at(at_us), _midnight_after(at_us)


@dataclass(frozen=True)
class Period:
    """A stretch of the calendar, both days included. `yearly`: every year, whatever year the dates name."""

    name: str
    first: date
    last: date
    factor: float
    yearly: bool = False

    def covers(self, day: date) -> bool:
        if not self.yearly:
            return self.first <= day <= self.last
        found, first, last = ((d.month, d.day) for d in (day, self.first, self.last))
        return first <= found <= last if first <= last else found >= first or found <= last


@dataclass(frozen=True)
class Calendar:
    """Seasons, holidays, exam weeks: periods that overlap multiply."""

    periods: tuple[Period, ...]
    name: str = "calendar"
    _days: dict[int, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def at(self, at_us: int) -> float:
        number = at_us // DAY_US
        if number not in self._days:
            day = datetime(1970, 1, 1, tzinfo=UTC).date() + timedelta(days=number)
            self._days[number] = math.prod(p.factor for p in self.periods if p.covers(day))
        return self._days[number]

    def bound(self, at_us: int) -> tuple[float, int]:
        return self.at(at_us), _midnight_after(at_us)


@dataclass(frozen=True)
class Trend:
    """Steady growth: `monthly_ratio` 0.03 is 3 % in 30 days, compounded; 1 at `since`."""

    monthly_ratio: float
    since: datetime
    name: str = "trend"

    def at(self, at_us: int) -> float:
        return float((1.0 + self.monthly_ratio) ** ((at_us - instant_us(self.since)) / _MONTH_US))

    def bound(self, at_us: int) -> tuple[float, int]:
        until_us = at_us + DAY_US
        return max(self.at(at_us), self.at(until_us)), until_us


@dataclass(frozen=True)
class Rate:
    """Events per hour."""

    per_hour: float
    factors: tuple[Factor, ...] = ()

    def at(self, at_us: int) -> float:
        rate = self.per_hour
        for factor in self.factors:
            rate *= factor.at(at_us)
        return rate

    def parts(self, at_us: int) -> dict[str, float]:
        """Every factor by name, so that a page can show why the rate is what it is."""
        return {"base_per_hour": self.per_hour, **{f.name: f.at(at_us) for f in self.factors}}

    def bound(self, at_us: int) -> tuple[float, int]:
        """(highest rate per hour from `at_us` on, instant until which that holds)."""
        most, until_us = self.per_hour, NEVER_US
        for factor in self.factors:
            highest, holds_us = factor.bound(at_us)
            most *= highest
            until_us = min(until_us, holds_us)
        return most, until_us

    def expected(self, from_us: int, until_us: int) -> float:
        """How many events to expect between two instants: the integral of the rate, segment by segment."""
        total, at_us = 0.0, from_us
        while at_us < until_us:
            end_us = min(self.bound(at_us)[1], until_us)
            half, middle = (end_us - at_us) / 2, (end_us + at_us) / 2
            for node, weight in _NODES:
                pair = self.at(int(middle - node * half)) + self.at(int(middle + node * half))
                total += weight * half * pair
            at_us = end_us
        return total / HOUR_US


def _midnight_after(at_us: int) -> int:
    return (at_us // DAY_US + 1) * DAY_US
