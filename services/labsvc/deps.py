"""The only surface that lab code sees: what comes in, what goes out, and what it may use.

    host.py ──Request──▶ labs/<lab>/service.py ──Reply──▶ host.py
                              │ Deps
                              ├── dependency("pricing")  the remote services, an httpx.AsyncClient each
                              ├── neighbour("estimator") another service of ours, the same
                              ├── db                     a pool of Postgres connections
                              ├── jobs                   jobs kept in Postgres, claimed and finished once
                              └── clock, log

Knows no web server, no settings and no lab. Tests build the same `Deps` from in-memory parts (`testing.py`).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from labsvc import traffic
from labsvc.jobs import Job
from labsvc.traffic import marked

if TYPE_CHECKING:
    import httpx
    from psycopg_pool import AsyncConnectionPool

    from labsvc.jobs.desk import Desk

__all__ = ["Clock", "Deps", "Handler", "Job", "Log", "RealClock", "Reply", "Request", "Route", "marked"]


@dataclass(frozen=True)
class Request:
    """What a caller sent. Header names are lower case; `body` is the parsed JSON, None when there was none."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)  # the route's {names}
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def is_background(self) -> bool:
        """True when the live business sent it: what it leaves behind stays out of a lab's books."""
        return self.headers.get(traffic.HEADER, "").strip().lower() == traffic.BACKGROUND


@dataclass(frozen=True)
class Reply:
    """What goes back, as JSON."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Reply]]


@dataclass(frozen=True)
class Route:
    """One route of a lab; `path` may hold `{names}`, which arrive in `Request.params`."""

    method: str
    path: str
    handler: Handler


class Clock(Protocol):
    """Time, so that a check can run a minute in a millisecond."""

    def now_s(self) -> float:
        """Seconds since 1970."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never jump, for measuring."""
        ...

    async def sleep(self, delay_s: float) -> None: ...


class Log(Protocol):
    """One event in the past tense and its fields, e.g. `log.warning("payment_failed", order=7)`."""

    def debug(self, event: str, **fields: Any) -> Any: ...

    def info(self, event: str, **fields: Any) -> Any: ...

    def warning(self, event: str, **fields: Any) -> Any: ...

    def error(self, event: str, **fields: Any) -> Any: ...


class RealClock:
    """The machine's clock."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


@dataclass(frozen=True)
class Deps:
    """What the code of a lab may use."""

    role: str  # the mode it runs in: api or worker
    db: "AsyncConnectionPool[Any]"
    clock: Clock
    log: Log
    http: "Callable[[str], httpx.AsyncClient]"  # operation → its client
    jobs: "Desk"  # `await jobs.accept(kind, about)`; `await jobs.start(work, performs)` in a lab's start hook
    neighbours: "Callable[[str], httpx.AsyncClient] | None" = None  # role → its client

    def dependency(self, operation: str) -> "httpx.AsyncClient":
        """The client for one operation of the remote dependency: `await client.get("/pricing/cedar-40")`.

        All operations share one pool of connections. There is no timeout unless a call sets one.
        """
        return self.http(operation)

    def neighbour(self, role: str) -> "httpx.AsyncClient":
        """The client for another service of ours: `await client.get("/floorplans/cedar-60/estimate")`.

        Every call opens a connection of its own, so that calls spread over the replicas there are. No timeout.
        """
        if self.neighbours is None:
            raise LookupError(f"no {role} is known here")
        return self.neighbours(role)
