"""One event of a stream, encoded once: the bytes that every client gets, and those that only a facilitator gets.

    world, workshop ──data──▶ Stamp ──Event──▶ hub.py ──bytes──▶ clients

The shape is StreamEvent of the source: `stream`, `timestamp`, `data`, and what a publisher adds beside them, such as
`normalizedValue` or `anomalyFlag`. Timestamps are unique and only rise, so the last one a client saw says exactly
where it stopped.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labsvc.deps import Clock

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """One happening. `seq` counts all events of a process without a hole."""

    seq: int
    at_us: int  # epoch, unique
    stream: str
    is_state: bool  # tells a whole state: only the newest of its stream is worth replaying
    plain: bytes  # JSON for everybody
    full: bytes  # JSON with the cause, for facilitators; the same object as `plain` where there is no cause


class Stamp:
    """Makes events: gives each its number and its time, and encodes it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seq = 0
        self._last_us = 0

    def now_us(self) -> int:
        """The time of the wall clock, in microseconds since 1970."""
        return round(self._clock.now_s() * SECOND_US)

    def event(
        self,
        stream: str,
        data: Mapping[str, Any],
        *,
        cause: Mapping[str, Any] | None,
        state: bool,
        more: Mapping[str, Any],
    ) -> Event:
        """The next event. `cause` is for facilitators only; `more` stands beside `data`."""
        self._seq += 1
        self._last_us = max(self.now_us(), self._last_us + 1)
        shown = {"stream": stream, "timestamp": iso(self._last_us), "data": data, **more}
        plain = encoded(shown)
        full = encoded({**shown, "cause": cause}) if cause else plain
        return Event(self._seq, self._last_us, stream, state, plain, full)


def encoded(value: Mapping[str, Any]) -> bytes:
    """Compact JSON. Raises ValueError for NaN and infinities, which JSON does not know."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def iso(at_us: int) -> str:
    """ISO 8601 in UTC with microseconds: 2026-11-21T10:15:02.000123Z."""
    seconds, rest_us = divmod(at_us, SECOND_US)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_us:06d}Z"


def from_iso(text: str) -> int:
    """The instant of an ISO 8601 text; one without a zone is UTC. Raises ValueError."""
    when = datetime.fromisoformat(text)
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    passed = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86_400 + passed.seconds) * SECOND_US + passed.microseconds
