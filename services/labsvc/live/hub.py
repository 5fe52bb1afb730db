"""The hub: takes events, and hands each client what it subscribed to, ten times a second.

    publish ──▶ ring (60 s, shared) ──flush every 100 ms──▶ channel (one a distinct subscription)
                                                              │ one frame, made once
                                                              ├──▶ reader ──▶ wire
                                                              ├──▶ reader ──▶ wire
                                                              └──▶ reader, stalled: keeps a cursor into the ring

A reader whose wire is full gets nothing more until it drains; then it is brought up to date from the ring, and told
how many events it has missed. So a stalled reader costs nobody a frame and the server next to nothing. Knows no
socket (`wire.py`) and no business.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from labsvc.deps import Clock
from labsvc.errors import Misuse
from labsvc.live import message
from labsvc.live.event import Event, Stamp, iso
from labsvc.live.ring import Bounds, Ring
from labsvc.live.topics import HIDDEN, Topics

FLUSH_S = 0.1
CHUNK_EVENTS = 100  # in one frame, when somebody is brought up to date
CHANNELS_LIMIT = 500  # distinct subscriptions: each costs an encoding
READERS_LIMIT = 3000


class Wire(Protocol):
    """The way to one client."""

    @property
    def is_full(self) -> bool:
        """Whether bytes are waiting that the client does not take."""
        ...

    def write(self, data: bytes) -> None: ...


@dataclass(eq=False, slots=True)
class Reader:
    """One client. While it is `behind` it gets no new frames, only its backlog and then what the ring still has.

    `cursor` is the last event that it got or has in its backlog, `counted` its channel's total at that event.
    """

    wire: Wire
    channel: "Channel | None" = None
    behind: bool = False
    backlog: list[Event] = field(default_factory=list)
    cursor: int = 0
    counted: int = 0


@dataclass(eq=False)
class Channel:
    """Everybody with the same subscription."""

    topics: Topics
    insight: bool  # facilitators: hidden streams and causes
    total: int = 0  # events that it was due since it exists, states not counted: a newer one replaces them
    readers: dict[Reader, None] = field(default_factory=dict)
    wants: dict[str, bool] = field(default_factory=dict)

    def wanted(self, stream: str) -> bool:
        """Whether this channel gets a stream."""
        known = self.wants.get(stream)
        if known is None:
            hidden = stream.startswith(HIDDEN) and not self.insight
            known = self.wants[stream] = not hidden and self.topics.match(stream)
        return known


@dataclass(slots=True)
class Counts:
    """What the hub did since it exists."""

    events: int = 0
    frames: int = 0
    dropped: int = 0  # events that slow readers never got


class Hub:
    """One a process. Everything is called on the event loop."""

    def __init__(self, clock: Clock, *, bounds: Bounds | None = None) -> None:
        self._stamp = Stamp(clock)
        self._began_us = self._stamp.now_us()
        self._ring = Ring(bounds or Bounds())
        self._pending: list[Event] = []
        self._flushed = 0  # number of the last event that was handed out
        self._channels: dict[tuple[Topics, bool], Channel] = {}
        self._readers: dict[Reader, None] = {}
        self.counts = Counts()

    def publish(
        self,
        stream: str,
        data: Mapping[str, Any],
        *,
        cause: Mapping[str, Any] | None = None,
        state: bool = False,
        **more: Any,
    ) -> Event:
        """Hand an event to everybody who wants its stream, at the next flush.

        `cause` reaches facilitators only. `state`: the event tells a whole state, so a newcomer needs the newest
        alone. `more` stands beside `data` (`normalizedValue`, `anomalyFlag`, `simTime`).
        """
        event = self._stamp.event(stream, data, cause=cause, state=state, more=more)
        self._ring.add(event)
        self._pending.append(event)
        self.counts.events += 1
        return event

    def attach(self, wire: Wire) -> Reader:
        """A new client, without a subscription yet. Raises Misuse when there are too many."""
        if len(self._readers) >= READERS_LIMIT:
            raise Misuse(f"{READERS_LIMIT} clients are connected already")
        reader = Reader(wire)
        self._readers[reader] = None
        return reader

    def detach(self, reader: Reader) -> None:
        """Forget a client."""
        self._leave(reader)
        self._readers.pop(reader, None)

    def subscribe(self, reader: Reader, topics: Topics, *, last_us: int | None = None, insight: bool = False) -> None:
        """Replace the client's subscription, and bring it up to date.

        From `last_us` on, where the ring reaches back so far; without it the newest ten events a stream. Raises Misuse
        when there are too many distinct subscriptions.
        """
        key = (topics, insight)
        if key not in self._channels and len(self._channels) >= CHANNELS_LIMIT:
            raise Misuse(f"{CHANNELS_LIMIT} distinct subscriptions are in use; subscribe to '*' or a prefix")
        self._leave(reader)
        channel = self._channels.setdefault(key, Channel(topics, insight))
        channel.readers[reader] = None
        reader.channel, reader.behind = channel, True
        reader.cursor, reader.counted = self._flushed, channel.total
        self._write(reader, message.told("subscribed", topics=sorted(topics), timestamp=iso(self._stamp.now_us())))
        reader.backlog = [event for event in self._past(reader, channel, last_us) if event.seq <= self._flushed]
        self._pump(reader, channel)

    def flush(self) -> None:
        """Hand out what was published since the last flush."""
        if not self._pending:
            return
        events, self._pending = self._pending, []
        before, self._flushed = self._flushed, events[-1].seq
        for channel in self._channels.values():
            due = [event for event in events if channel.wanted(event.stream)]
            if due:
                self._hand_out(channel, due, before=before)

    def drained(self, reader: Reader) -> None:
        """The client takes bytes again: bring it up to date."""
        if reader.channel is not None and reader.behind:
            self._pump(reader, reader.channel)

    def figures(self) -> dict[str, int]:
        """How much there is: clients, channels, events kept, events handed out, events dropped."""
        return {
            "clients": len(self._readers),
            "channels": len(self._channels),
            "ring_events": len(self._ring),
            "ring_bytes": self._ring.size_bytes,
            "events": self.counts.events,
            "frames": self.counts.frames,
            "dropped": self.counts.dropped,
        }

    def _hand_out(self, channel: Channel, due: list[Event], *, before: int) -> None:
        frame = message.events_frame(due, insight=channel.insight)
        for reader in channel.readers:
            if reader.behind:
                continue
            if reader.wire.is_full:
                reader.behind, reader.cursor, reader.counted = True, before, channel.total
            else:
                self._write(reader, frame)
        channel.total += _counted(due)

    def _pump(self, reader: Reader, channel: Channel) -> None:
        """Write the backlog, then what came meanwhile, until the client is up to date or takes no more."""
        while True:
            while reader.backlog:
                if reader.wire.is_full:
                    return
                chunk, reader.backlog = reader.backlog[:CHUNK_EVENTS], reader.backlog[CHUNK_EVENTS:]
                self._write(reader, message.events_frame(chunk, insight=channel.insight))
            if reader.cursor == self._flushed:
                reader.behind = False
                return
            self._refill(reader, channel)

    def _refill(self, reader: Reader, channel: Channel) -> None:
        """Take from the ring what the client has not had; count and tell what is no longer there."""
        due = [e for e in self._ring.after(reader.cursor) if e.seq <= self._flushed and channel.wanted(e.stream)]
        dropped = channel.total - reader.counted - _counted(due)
        reader.cursor, reader.counted = self._flushed, channel.total
        reader.backlog = due
        if dropped > 0:
            self.counts.dropped += dropped
            self._write(reader, message.told("gap", dropped=dropped, reason="too slow"))

    def _past(self, reader: Reader, channel: Channel, last_us: int | None) -> list[Event]:
        """What a client gets first. Tells it when there is a hole between what it saw and what is remembered."""
        streams = frozenset(stream for stream in self._ring.streams() if channel.wanted(stream))
        if last_us is None:
            return self._ring.newest(streams)
        if last_us < self._began_us or self._ring.lost_since(streams, last_us):
            why = "restarted" if last_us < self._began_us else "too long ago"
            self._write(reader, message.told("gap", dropped=None, reason=why))
        return [event for event in self._ring.since(last_us) if event.stream in streams]

    def _write(self, reader: Reader, frame: bytes) -> None:
        self.counts.frames += 1
        reader.wire.write(frame)

    def _leave(self, reader: Reader) -> None:
        channel, reader.channel = reader.channel, None
        if channel is not None:
            channel.readers.pop(reader, None)
            if not channel.readers:
                del self._channels[channel.topics, channel.insight]


def _counted(events: list[Event]) -> int:
    return sum(1 for event in events if not event.is_state)
