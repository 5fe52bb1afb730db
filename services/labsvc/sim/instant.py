"""Simulated instants: whole microseconds since 1970-01-01 UTC. The only place that turns them into dates.

Everything in `sim` counts in these integers, so that adding never rounds and equal runs are equal to the bit.
"""

from datetime import UTC, datetime

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
NEVER_US = 1 << 62  # later than any instant

_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


def us(seconds: float) -> int:
    """Seconds as whole microseconds, rounded."""
    return round(seconds * SECOND_US)


def instant_us(when: datetime) -> int:
    """The instant of a date with a time zone; one without is taken as UTC."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    passed = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * SECOND_US + passed.microseconds


def iso(at_us: int) -> str:
    """ISO 8601 in UTC with milliseconds: 2026-03-02T10:00:00.000Z."""
    seconds, rest_us = divmod(at_us, SECOND_US)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_us // 1000:03d}Z"


def weekday(at_us: int) -> int:
    """Day of the week in UTC, Monday 0."""
    return (at_us // DAY_US + _EPOCH_WEEKDAY) % 7
