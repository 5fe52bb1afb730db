"""The kernel: an event list with named chance, commands that are logged, records and truth.

    command ──▶ applied between events, logged ─┐
                                                ▼
    event list ──▶ source, station, chain ──emit──▶ Record ──▶ observers
        ▲              │ draws from streams
        └── schedules ─┘

Same world, version, seed and command log: the same records, byte for byte, at whatever pace. The kernel never looks
at a wall clock (`clock.py`, `runner.py` do) and knows no world.
"""

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from labsvc.errors import Misuse
from labsvc.sim.entity import Entity
from labsvc.sim.eventlist import EventList, Handle
from labsvc.sim.record import Record, Truth
from labsvc.sim.streams import Streams

VERSION = "1"  # of the kernel's behaviour: raised when an old log would no longer replay to the same records


class Command(NamedTuple):
    """One entry of the command log."""

    at_us: int
    after_events: int  # how many events had run: a replay that differs is noticed here
    name: str
    arguments: Mapping[str, Any]


class Kernel(EventList):
    """One run of one world."""

    def __init__(self, *, world: str, seed: int, start_us: int = 0, version: str = "1") -> None:
        super().__init__(start_us=start_us)
        self.world = world
        self.version = f"{VERSION}/{version}"  # kernel's / world's
        self.seed = seed
        self.start_us = start_us
        self.streams = Streams(seed=seed, world=world)
        self.truth = Truth()
        self.log: list[Command] = []
        self._observers: list[Callable[[Record], None]] = []
        self._handlers: dict[str, Callable[..., Any]] = {}

    def after(self, delay_us: int, callback: Callable[[Any], int | None], argument: Any = None) -> Handle:
        """Run `callback(argument)` after a delay of whole microseconds."""
        return self.at(self.now_us + delay_us, callback, argument)

    def every(self, period_us: int, callback: Callable[[], None], *, priority: int = 0) -> Handle:
        """Call again and again, first one period from now. A tick is an event like any other."""

        def tick(_: None) -> int:
            callback()
            return self.now_us + period_us

        return self.at(self.now_us + period_us, tick, None, priority)

    def emit(self, stream: str, about: Entity, data: Mapping[str, Any]) -> Record:
        """Put a record out, now. Its id, cause and parent are those of the entity it is about."""
        record = Record(about.id, self.now_us, stream, about.cause, about.parent, data)
        for observer in self._observers:
            observer(record)
        return record

    def observe(self, observer: Callable[[Record], None]) -> None:
        """Call `observer` with every record from now on. It must not schedule, draw or command."""
        self._observers.append(observer)

    def on_command(self, name: str, handler: Callable[..., Any]) -> None:
        """Let `handler(**arguments)` answer the command `name`. It raises Misuse before it changes anything."""
        if name in self._handlers:
            raise Misuse(f"command {name!r} has a handler already")
        self._handlers[name] = handler

    def command(self, name: str, /, **arguments: Any) -> Any:
        """Apply a command between events, now, and log it; returns what its handler returns.

        Arguments must be JSON values. Raises Misuse for an unknown command, and passes on the handler's refusal: a
        refused command has done nothing and is not logged.
        """
        if name not in self._handlers:
            raise Misuse(f"unknown command {name!r}, expected one of: {', '.join(sorted(self._handlers))}")
        self.run_until(self.now_us)  # everything due now comes first, here and in a replay
        given = json.loads(json.dumps(arguments))  # what a replay will read
        entry = Command(self.now_us, self.executed, name, given)
        answer = self._handlers[name](**given)
        self.log.append(entry)
        return answer

    def fingerprint(self) -> str:
        """A hash of how far the run is and of all that is pending; differs as soon as any draw differed."""
        state = repr((self.now_us, self.executed, self.pending()))
        return blake2b(state.encode(), digest_size=12).hexdigest()
