"""When orders come, and what becomes of one: rates by hour, weekday and season; steps with delays and odds.

    settings.yaml ──▶ pattern ──▶ Source        steps ──▶ Chain

Pure: settings in, parts of the kernel out.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from labsvc.sim.chain import Step
from labsvc.sim.delay import Delay
from labsvc.sim.instant import SECOND_US
from labsvc.sim.rate import Calendar, Factor, Period, TimeOfDay, Weekday
from labsvc.worlds.commerce.settings import Fulfilment, Numbers, Season, Settings

_MONTHS: tuple[Season, ...] = ("winter", "winter", *("spring",) * 3, *("summer",) * 3, *("autumn",) * 3, "winter")
_BOUNDS: dict[Season, tuple[date, date]] = {
    "winter": (date(2000, 12, 1), date(2000, 2, 29)),
    "spring": (date(2000, 3, 1), date(2000, 5, 31)),
    "summer": (date(2000, 6, 1), date(2000, 8, 31)),
    "autumn": (date(2000, 9, 1), date(2000, 11, 30)),
}


def pattern(numbers: Numbers) -> tuple[Factor, ...]:
    """How orders spread over the day, the week and the year; each factor averages 1."""
    curve = numbers.day_curve
    ends = [*curve[1:], (curve[0][0] + 24, curve[0][1])]
    mean = sum((h1 - h0) * (f0 + f1) / 2 for (h0, f0), (h1, f1) in zip(curve, ends, strict=True)) / 24
    day = TimeOfDay(tuple((hour, f / mean) for hour, f in curve))
    weeks = sum(numbers.week_curve) / 7
    week: Any = tuple(f / weeks for f in numbers.week_curve)
    periods = tuple(Period(name, *_BOUNDS[name], factor, yearly=True) for name, factor in numbers.seasons.items())
    return (day, Weekday(week), Calendar(periods, name="season"))


def season(at_us: int) -> Season:
    """The season of an instant, in the northern half of the world."""
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at_us // SECOND_US)
    return _MONTHS[when.month - 1]


def steps(times: Fulfilment, settings: Settings, *, complaint_ratio: float) -> dict[str, Step]:
    """What becomes of an order."""
    numbers, warranty = settings.business, settings.business_simulator.warranty_department
    day_s = 86_400.0
    later = Delay(
        kind="uniform", min_s=warranty.min_days_since_delivery * day_s, max_s=warranty.max_days_since_delivery * day_s
    )
    cancelled = numbers.cancelled_ratio
    claims = {"claim": warranty.ticket_probability} if warranty.enabled else {}
    made = {
        "placed": Step(
            stream="orders.placed",
            one_of={"confirmed": 1 - cancelled, "cancelled": cancelled},
            also={"complaint": complaint_ratio},
        ),
        "cancelled": Step(stream="orders.status", delay=times.confirmed),
        "confirmed": Step(stream="orders.status", delay=times.confirmed, one_of={"in_production": 1.0}),
        "in_production": Step(stream="orders.status", delay=times.in_production, one_of={"shipped": 1.0}),
        "shipped": Step(stream="orders.status", delay=times.shipped, one_of={"delivered": 1.0}),
        "delivered": Step(
            stream="orders.status", delay=times.delivered, also={"feedback": numbers.feedback_ratio, **claims}
        ),
        "feedback": Step(stream="customers.feedback", delay=times.feedback),
        "complaint": Step(stream="support.opened", delay=times.complaint),
    }
    return made | ({"claim": Step(stream="support.opened", delay=later)} if claims else {})
