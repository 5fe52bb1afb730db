"""What every part of the workshop works with, and the two things outside that it talks to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from labsvc.deps import Clock
from labsvc.rest import Refused, Who
from labsvc.workshop import session as sessions
from labsvc.workshop.plan import Plan
from labsvc.workshop.session import Session
from labsvc.workshop.store import Db, Store, one


class Emit(Protocol):
    """The hub, as the workshop sees it."""

    def __call__(self, stream: str, data: Mapping[str, Any], *, state: bool = False) -> object: ...


class Business(Protocol):
    """What the workshop wants of the world that runs."""

    def trigger(self, scenario: str) -> str:
        """Start a world scenario; its status. Raises Misuse."""
        ...

    def hold(self, on: bool, /) -> None:
        """Stop the world's time, or let it go on."""
        ...

    def orders_generated(self) -> int: ...

    def ticket_closed(self, key: str, how: str) -> None: ...


@dataclass(frozen=True)
class Context:
    """Given to every part."""

    store: Store
    plan: Plan
    clock: Clock
    emit: Emit
    business: Business

    def now_s(self) -> float:
        return self.clock.now_s()


def person_id(who: Who) -> int:
    """The number of a participant; the endpoint has made sure that it is one."""
    assert who.id is not None
    return who.id


async def session_of(db: Db, who: Who) -> Session:
    """The session that a participant has joined. Raises Refused (409) when it was wiped."""
    row = await one(db, "SELECT * FROM workshop_sessions WHERE id = %s", (who.session,))
    if row is None:
        raise Refused(409, "your session is gone; join the new one: make join CODE=… AT=…")
    return sessions.from_row(row)
