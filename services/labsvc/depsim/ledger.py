"""What depsim really did: one entry a call, and counts by operation. Arming a script starts a new one.

Bounded: the oldest entries are dropped first and counted, so a long workshop cannot fill the memory. Knows no time.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from labsvc.traffic import BACKGROUND, LOAD

LIMIT_CALLS = 200_000
IN_FLIGHT = "in_flight"
ANSWERED = "answered"
ABANDONED = "abandoned"


@dataclass(slots=True)
class Entry:
    """One call. `outcome`: in_flight, answered, abandoned (the caller left first), or the fault's kind."""

    n: int  # from 1, counts the calls of this ledger
    id: str
    operation: str
    key: str
    phase: str | None
    at_s: float  # epoch
    done_s: float | None = None  # epoch; None: still held, or the caller left
    outcome: str = IN_FLIGHT
    answer: dict[str, Any] | None = None  # what was sent back whole, None for a spoilt call
    traffic: str = LOAD  # or background: the live business's

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Entry.__slots__}


@dataclass
class Counts:
    """Calls of one operation. `in_flight` holds every call that has not ended, held ones included."""

    received: int = 0
    answered: int = 0
    abandoned: int = 0
    in_flight: int = 0
    injected: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return {
            "received": self.received,
            "answered": self.answered,
            "abandoned": self.abandoned,
            "in_flight": self.in_flight,
            "injected": dict(self.injected),
        }


class Ledger:
    """Entries and counts since a script was armed. The live business's calls are counted apart."""

    def __init__(self, *, limit_calls: int = LIMIT_CALLS) -> None:
        self.total = 0
        self.counts: dict[str, Counts] = {}
        self.background: dict[str, Counts] = {}
        self._entries: deque[Entry] = deque(maxlen=limit_calls)

    def open(
        self, *, call_id: str, operation: str, key: str, phase: str | None, at_s: float, traffic: str = LOAD
    ) -> Entry:
        """Enter a call that has just arrived."""
        self.total += 1
        entry = Entry(self.total, call_id, operation, key, phase, at_s, traffic=traffic)
        counts = self._counts(entry)
        counts.received += 1
        counts.in_flight += 1
        self._entries.append(entry)
        return entry

    def injected(self, entry: Entry, kind: str) -> None:
        """Count a fault that landed; until the call ends, its kind is the outcome."""
        self._counts(entry).injected[kind] += 1
        entry.outcome = kind

    def close(self, entry: Entry, *, outcome: str, done_s: float | None, answer: dict[str, Any] | None) -> None:
        """Enter how a call ended."""
        counts = self._counts(entry)
        counts.in_flight -= 1
        counts.answered += outcome == ANSWERED
        counts.abandoned += outcome == ABANDONED
        entry.outcome, entry.done_s, entry.answer = outcome, done_s, answer

    def _counts(self, entry: Entry) -> Counts:
        side = self.background if entry.traffic == BACKGROUND else self.counts
        return side.setdefault(entry.operation, Counts())

    @property
    def dropped(self) -> int:
        """Entries that the limit has pushed out."""
        return self.total - len(self._entries)

    def after(self, n: int, *, limit: int) -> Iterator[Entry]:
        """Up to `limit` entries with a number above `n`, oldest first."""
        return islice(self._entries, max(0, n - self.dropped), max(0, n - self.dropped) + limit)
