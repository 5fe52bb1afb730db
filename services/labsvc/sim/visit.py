"""Visits and servers: who is served and who serves. Plain state; `queueing.py` moves it."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from labsvc.sim.entity import Entity
from labsvc.sim.eventlist import Handle

Outcome = Literal["", "served", "reneged", "refused", "withdrawn"]  # "": still there
ServerState = Literal["idle", "busy", "wrap", "away", "off"]
Duty = Literal["on", "away", "off"]


class VisitRow(NamedTuple):
    """The one record of a visit; times are instants in microseconds, None for what never came."""

    id: str
    station: str
    queue: str
    priority: int
    arrived_us: int
    started_us: int | None
    left_us: int | None
    server: str | None
    outcome: str
    service_us: int
    wrap_us: int
    cause: str
    parent: str | None


class Visit(Entity):
    """One entity at one station, from `admit` to its end. `Station.admit` says what the parts mean."""

    # Slots, all set by `admit`: a default that is read from the class costs more than ten assignments.
    __slots__ = (
        "arrived_us",
        "left_us",
        "outcome",
        "patience_us",
        "priority",
        "queue",
        "server",
        "service_us",
        "started_us",
        "then",
        "timer",
        "wrap_us",
    )
    arrived_us: int
    service_us: int
    wrap_us: int
    patience_us: int | None
    priority: int
    queue: str
    then: "Callable[[Visit], None] | None"
    started_us: int | None
    left_us: int | None
    server: "Server | None"
    outcome: Outcome
    timer: Handle | None

    @property
    def waited_us(self) -> int:
        """From arrival to start of service, or to the end of a visit that never got one."""
        end_us = self.started_us if self.started_us is not None else self.left_us
        return 0 if end_us is None else end_us - self.arrived_us

    def row(self, station: str) -> VisitRow:
        """The visit as one flat record."""
        return VisitRow(
            self.id,
            station,
            self.queue,
            self.priority,
            self.arrived_us,
            self.started_us,
            self.left_us,
            None if self.server is None else self.server.name,
            self.outcome,
            self.service_us,
            self.wrap_us,
            self.cause,
            self.parent,
        )


def visit(entity: Entity) -> Visit:
    """A visit of an entity that already exists."""
    made = Visit()
    made.origin, made.n = entity.origin, entity.n
    return made


class Server:
    """One server. `visit`: whom it serves or wraps up after, None when it does neither."""

    __slots__ = ("busy_us", "done", "duty", "leaving", "name", "turned_us", "visit")
    done: Handle  # its end of service; a server has one at a time

    def __init__(self, name: str, now_us: int) -> None:
        self.name = name
        self.visit: Visit | None = None
        self.duty: Duty = "on"
        self.leaving: Literal["", "away", "off"] = ""  # what its duty turns to when the work is done
        self.busy_us = 0  # service and wrap-up so far, without what is under way
        self.turned_us = now_us  # when it last became idle, went or came

    @property
    def state(self) -> ServerState:
        if self.visit is not None:
            return "busy" if self.visit.left_us is None else "wrap"
        return "idle" if self.duty == "on" else self.duty

    @property
    def since_us(self) -> int:
        """When it came into its present state."""
        found = None
        if self.visit is not None:
            found = self.visit.started_us if self.visit.left_us is None else self.visit.left_us
        return self.turned_us if found is None else found
