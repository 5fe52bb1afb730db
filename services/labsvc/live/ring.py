"""What the hub remembers: the events of the last minute, and the newest few of every stream.

One ring for all clients: a slow client costs a cursor, not a queue. Bounded in time, in count and in bytes.
"""

from collections import deque
from dataclasses import dataclass

from labsvc.live.event import SECOND_US, Event

NEWEST_PER_STREAM = 10  # what a client without a past gets, as the source says


@dataclass(frozen=True)
class Bounds:
    """How much is kept."""

    window_s: float = 60
    events: int = 20_000
    size_bytes: int = 16_000_000


class Ring:
    """Events in the order of their numbers, the oldest purged. Of a stream of states only the newest is kept."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._events: deque[Event] = deque()
        self._size_bytes = 0
        self._newest: dict[str, deque[Event]] = {}
        self._purged_us: dict[str, int] = {}  # stream → time of its newest event that was purged

    def __len__(self) -> int:
        return len(self._events)

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def add(self, event: Event) -> None:
        """Remember an event; forget what is too old or too much."""
        keep = 1 if event.is_state else NEWEST_PER_STREAM
        self._newest.setdefault(event.stream, deque(maxlen=keep)).append(event)
        if not event.is_state:
            self._events.append(event)
            self._size_bytes += len(event.plain)
        self.purge(event.at_us)

    def purge(self, now_us: int) -> None:
        """Forget what is older than the window, or more than the bounds."""
        bounds, events = self._bounds, self._events
        oldest_us = now_us - round(bounds.window_s * SECOND_US)
        while events and (
            events[0].at_us < oldest_us or len(events) > bounds.events or self._size_bytes > bounds.size_bytes
        ):
            gone = events.popleft()
            self._size_bytes -= len(gone.plain)
            self._purged_us[gone.stream] = gone.at_us

    def after(self, seq: int) -> list[Event]:
        """Events with a higher number, oldest first."""
        found = [event for event in self._states() if event.seq > seq]
        found += [event for event in self._events if event.seq > seq]
        return sorted(found, key=lambda event: event.seq)

    def since(self, at_us: int) -> list[Event]:
        """Events that happened later than `at_us`, oldest first; of states, the newest alone, however old."""
        found = [event for event in self._states() if event.at_us > at_us]
        found += [event for event in self._events if event.at_us > at_us]
        return sorted(found, key=lambda event: event.seq)

    def newest(self, streams: frozenset[str]) -> list[Event]:
        """The newest few of each of these streams, in the order of their numbers."""
        found = [event for stream in streams for event in self._newest.get(stream, ())]
        return sorted(found, key=lambda event: event.seq)

    def streams(self) -> frozenset[str]:
        """Every stream that ever had an event."""
        return frozenset(self._newest)

    def lost_since(self, streams: frozenset[str], at_us: int) -> bool:
        """Whether an event of these streams that happened later than `at_us` has been purged."""
        return any(self._purged_us.get(stream, 0) > at_us for stream in streams)

    def _states(self) -> list[Event]:
        return [newest[-1] for newest in self._newest.values() if newest[-1].is_state]
