"""External events: what the world would read in the news. Some explain a change, some are red herrings on purpose.

scenario or facilitator ──add──▶ timeline ──at its instant──▶ record on stream `external`   (for everybody)
                                    └─────────────────────▶ note `external`: did it cause anything?  (the truth)
"""

from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from labsvc.errors import Misuse
from labsvc.sim.entity import Origin, entity
from labsvc.sim.eventlist import Handle
from labsvc.sim.kernel import Kernel
from labsvc.sim.record import Note

STREAM = "external"
EVENT_TYPES = ("marketing", "product", "infrastructure", "academic", "competitive", "operational")


class Expected(BaseModel):
    """What a reader of the event would expect it to do; true or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    targets: tuple[str, ...] = ()
    direction: Literal["increase", "decrease", "mixed"]
    magnitude: Literal["low", "medium", "high"]
    duration_s: float = Field(ge=0)


class ExternalEvent(BaseModel):
    """One event on the timeline. `causes`: ids of the modifiers it explains; empty for a red herring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    at_us: int
    type: str
    title: str
    description: str = ""
    severity: Literal["info", "warning", "critical"] = "info"
    icon: str = ""
    link: str = ""
    expected: Expected
    causes: tuple[str, ...] = ()
    belongs_to: str = ""  # the activation of the scenario that brought it, "" for none

    def public(self) -> dict[str, Any]:
        """What participants may see: whether it caused anything is for them to find out."""
        return self.model_dump(mode="json", exclude={"causes", "belongs_to"})


class Timeline:
    """All external events of a run, past and to come."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._events: dict[str, ExternalEvent] = {}
        self._pending: dict[str, Handle] = {}
        self._listeners: list[Callable[[], None]] = []

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed()` when events are added or taken back."""
        self._listeners.append(changed)

    def add(self, event: ExternalEvent) -> None:
        """Put an event on the timeline; one of the future has its record when its instant comes.

        Raises Misuse when its id is taken.
        """
        if event.id in self._events:
            raise Misuse(f"external event {event.id!r} is on the timeline already")
        self._events[event.id] = event
        if event.at_us > self._kernel.now_us:
            self._pending[event.id] = self._kernel.at(event.at_us, self._happen, event)
        else:
            self._happen(event)
        self._tell()

    def take_back(self, belongs_to: str, *, from_us: int = 0) -> None:
        """Remove the events of one activation from an instant on: all for a reset, those to come for a stop."""
        for event in [e for e in self._events.values() if e.belongs_to == belongs_to and e.at_us >= from_us]:
            del self._events[event.id]
            if event.id in self._pending:
                self._kernel.cancel(self._pending.pop(event.id))
        self._tell()

    def between(self, from_us: int, until_us: int) -> list[ExternalEvent]:
        """Events with from_us ≤ at_us < until_us, in the order of time."""
        found = [e for e in self._events.values() if from_us <= e.at_us < until_us]
        return sorted(found, key=lambda e: (e.at_us, e.id))

    def _happen(self, event: ExternalEvent) -> None:
        self._pending.pop(event.id, None)
        self._kernel.emit(STREAM, entity(Origin(f"{STREAM}/{event.id}", f"event:{event.id}")), event.public())
        data = {"red_herring": not event.causes, "causes": list(event.causes)}
        self._kernel.truth.note(Note(self._kernel.now_us, "external", event.id, f"event:{event.id}", "", data))

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
