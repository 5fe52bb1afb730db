"""The businesses, and the seam between one and whoever runs it.

    live/ ──KIND.open(outlet, saved)──▶ World ──emit, open_ticket──▶ Outlet ──▶ hub, workshop

A world is a package `labsvc/worlds/<name>/` that exports `WORLD`, a `Kind`. It knows the kernel and its own business;
of the host it knows this page alone. All of it runs on one event loop, and nothing here blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Priority = Literal["low", "medium", "high", "critical"]
NO_ANSWER = 0  # the status of an answer that did not come


@dataclass(frozen=True)
class TicketDraft:
    """A ticket as the business opens it, before anybody has it. `key` makes opening it twice harmless."""

    key: str  # unique in the world, the same when a restored world opens it again
    kind: str  # service, warranty
    subject: str
    description: str
    priority: Priority
    category: str
    response_target_s: float
    tags: tuple[str, ...] = ()
    needs_escalation: bool = False  # escalating it is the right answer
    cost_cents: int | None = None
    order_number: str = ""


@dataclass(frozen=True)
class ScenarioCard:
    """A world scenario as a facilitator chooses it."""

    id: str
    name: str
    description: str
    duration: str  # for people: "10 minutes"


@dataclass(frozen=True)
class Answer:
    """What another service of ours said. Status NO_ANSWER: nothing; `body` is then `{"error": "timeout"}` or why."""

    status: int
    body: Any = None  # the JSON, None when it was none
    retry_after_s: float | None = None


class Outlet(Protocol):
    """What a world may do to the outside. Every call returns at once, but for `call`."""

    def emit(
        self, stream: str, data: Mapping[str, Any], *, cause: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        """Show an event on a stream. `cause` reaches facilitators only; `more` stands beside `data` (`simTime` …)."""
        ...

    def tickets_wanted(self) -> int:
        """How many tickets the queue lacks now; 0 while no session runs."""
        ...

    def open_ticket(self, draft: TicketDraft) -> bool:
        """Put a ticket into the queue; False while no session runs. It is kept until it is stored.

        One that is there already is not opened again; if it was closed, `ticket_closed` is told once more.
        """
        ...

    def active_people(self) -> int | None:
        """How many participants are active; None while no session runs."""
        ...

    def keep_soon(self) -> None:
        """Ask for `saved` within half a second; `kept` follows when it is stored."""
        ...

    async def call(
        self, role: Literal["api", "worker"], method: str, path: str, *, body: Any = None, timeout_s: float
    ) -> Answer:
        """Ask another service of ours, as the traffic of the business. Never raises for what may happen on the way."""
        ...


class World(Protocol):
    """One running business."""

    def scenarios(self) -> Sequence[ScenarioCard]:
        """What can be triggered."""
        ...

    def command(self, name: Literal["trigger", "stop", "reset", "pace"], **arguments: Any) -> Mapping[str, Any]:
        """Steer: `trigger(scenario=…)`, `stop()`, `reset()`, `pace(factor=…)`, 0 is paused. Raises Misuse in one line.

        Applied at the next event boundary; returns what the facilitator should be told.
        """
        ...

    def state(self) -> Mapping[str, Any]:
        """What everybody may see: `simTime`, `pace`, `scenario` (`id`, `name`, `status`, or None), `figures`."""
        ...

    def saved(self) -> str:
        """What `Kind.open` needs to go on from here in another process.

        Asked every few seconds and after commands. A killed process goes on from the last one: what a world does
        outside of itself since then, it does a second time, under the same keys. What must not be done by a world
        that then goes another way waits for `kept`.
        """
        ...

    def kept(self) -> None:
        """What `saved` returned last is stored."""
        ...

    def ticket_closed(self, key: str, how: str) -> None:
        """Somebody `resolved` or `escalated` a ticket of this world."""
        ...

    async def run(self) -> None:
        """Live until cancelled, at the pace that was commanded."""
        ...


class Kind(Protocol):
    """The constant `WORLD` of a world's package."""

    name: str
    title: str

    def open(self, outlet: Outlet, *, seed: int, saved: str | None) -> World:
        """A world that is ready to run: a new one, or one that goes on where `saved` was taken. Raises Misuse."""
        ...
