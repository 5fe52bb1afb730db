"""What comes out: one flat record per happening, and beside it the truth that only facilitators read.

    world, sources, chains ──emit──▶ Record ──▶ observers: dashboards, stores, the log hash
    modifiers, scenarios   ──note──▶ Note   ──▶ the truth table: what was changed, when, by what

Observers look and never steer. Nothing here knows what a record means.
"""

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple


class Record(NamedTuple):
    """One happening on one stream. `data` holds JSON values only."""

    id: str
    at_us: int
    stream: str
    cause: str  # baseline, modifier:<id>, event:<id>; for facilitators only
    parent: str | None  # id of the record that led to this one
    data: Mapping[str, Any]

    def line(self) -> str:
        """The canonical form that is hashed and stored: JSON, one line, keys in a fixed order."""
        return json.dumps([*self[:5], self.data], separators=(",", ":"), sort_keys=True, ensure_ascii=False)

    def public(self, token: Callable[[str], str]) -> dict[str, Any]:
        """What participants may see: no cause, and ids that do not tell it (`Streams.token`)."""
        return {
            "id": token(self.id),
            "at_us": self.at_us,
            "stream": self.stream,
            "parent": None if self.parent is None else token(self.parent),
            "data": self.data,
        }


class Note(NamedTuple):
    """One row of the truth: a thing that was done to the world, or an event that is missing or different by it."""

    at_us: int
    what: str  # modifier, removed, changed, external, scenario, cascade, warning
    id: str  # of the modifier, the missing entity, the external event, the scenario
    cause: str
    target: str  # the stream or parameter it is about, "" for none
    data: Mapping[str, Any]


class Truth:
    """The truth table. Counts are complete; `rows` keeps the newest `keep`, observers get every one."""

    def __init__(self, *, keep: int = 100_000) -> None:
        self.rows: deque[Note] = deque(maxlen=keep)
        self.counts: Counter[tuple[str, str, str]] = Counter()  # (what, cause, target) → how many
        self._observers: list[Callable[[Note], None]] = []

    def observe(self, observer: Callable[[Note], None]) -> None:
        self._observers.append(observer)

    def note(self, note: Note) -> None:
        self.rows.append(note)
        self.counts[note.what, note.cause, note.target] += 1
        for observer in self._observers:
            observer(note)

    def added(self, cause: str, target: str) -> None:
        """Count an event that exists only by `cause`; its record says so itself, so it gets no row."""
        self.counts["added", cause, target] += 1


class LogHash:
    """An observer that tells two runs apart: a hash of everything, and one per stream."""

    def __init__(self) -> None:
        self.count = 0
        self._whole = blake2b(digest_size=16)
        self._streams: dict[str, Any] = {}

    def __call__(self, record: Record) -> None:
        line = record.line().encode() + b"\n"
        self.count += 1
        self._whole.update(line)
        if record.stream not in self._streams:
            self._streams[record.stream] = blake2b(digest_size=16)
        self._streams[record.stream].update(line)

    def hexdigest(self) -> str:
        return str(self._whole.hexdigest())

    def streams(self) -> dict[str, str]:
        """Stream → hash of its records."""
        return {name: found.hexdigest() for name, found in sorted(self._streams.items())}
