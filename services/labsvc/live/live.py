"""The generator as one object: hub, worlds, workshop and pages, wired together.

worlds ──▶ hub ──▶ WebSocket        REST ──▶ workshop ──▶ Postgres
   ▲────────────── commands ─────────┘           └──▶ hub
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import structlog
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labsvc import openapi, rest
from labsvc.deps import Clock
from labsvc.live import pages, simulation
from labsvc.live.calls import Calls
from labsvc.live.guard import Door, Guard
from labsvc.live.hub import FLUSH_S, Hub
from labsvc.live.saves import NoSaves, PostgresSaves
from labsvc.live.wire import Sockets
from labsvc.live.worldhost import Worlds
from labsvc.settings import Settings
from labsvc.workshop import plan, routes
from labsvc.workshop.workshop import Workshop
from labsvc.worlds import Kind

BEAT_S = 1.0


class Live:
    """One a process. The pool is opened and closed by whoever made it; None: no workshop, nothing is kept."""

    def __init__(
        self, pool: "AsyncConnectionPool[Any] | None", kinds: Sequence[Kind], clock: Clock, settings: Settings
    ) -> None:
        self._clock = clock
        self.hub = Hub(clock)
        self.workshop = Workshop(pool, plan.read(), clock, emit=self.hub.publish, business=self)
        store = self.workshop.context.store
        saves = PostgresSaves(store, settings.database_url, clock) if pool else NoSaves()
        self.calls = Calls(api_url=settings.api_url, worker_url=settings.worker_url)
        self.worlds = Worlds(kinds, self.hub, saves, clock, seed=settings.seed, call=self.calls)
        self.sockets = Sockets(self.hub, Door(self.workshop.door.is_facilitator), clock.monotonic_s)
        self.app = Guard(self._app())
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin: flush, beat, worlds, workshop."""
        self._tasks = [asyncio.create_task(self._flush()), asyncio.create_task(self._beat())]
        self.workshop.start()
        self.worlds.start(self.workshop.desk)

    async def stop(self) -> None:
        """End in the other order."""
        await self.worlds.stop()
        await self.calls.close()
        await self.workshop.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------ the workshop's Business

    def trigger(self, scenario: str) -> str:
        return self.worlds.trigger(scenario)

    def hold(self, on: bool, /) -> None:
        self.worlds.hold(on)

    def orders_generated(self) -> int:
        return self.worlds.orders_generated()

    def ticket_closed(self, key: str, how: str) -> None:
        self.worlds.ticket_closed(key, how)

    # ------------------------------------------------------------------ parts

    def _app(self) -> Starlette:
        endpoints = [*routes.endpoints(self.workshop), *simulation.endpoints(self.worlds, self.hub)]
        document = openapi.document(
            endpoints,
            title="Breakwater generator",
            version="1",
            description="The live business, the workshop and its board. Events come by WebSocket at /ws.",
        )

        async def described(_: Request) -> Response:
            return JSONResponse(document)

        return Starlette(
            routes=[
                *rest.routes(endpoints, self.workshop.door),
                Route("/openapi.json", described),
                *pages.routes(self.workshop.hour.runs),
            ],
            exception_handlers={HTTPException: _told},
        )

    async def _flush(self) -> None:
        """Ten times a second, on time: a late flush does not move the next one."""
        due_s = self._clock.monotonic_s()
        while True:
            due_s = max(due_s + FLUSH_S, self._clock.monotonic_s())
            await self._clock.sleep(due_s - self._clock.monotonic_s())
            with _logged():
                self.hub.flush()

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(BEAT_S)
            with _logged():
                self.sockets.beat()


class _logged(suppress):
    """Log what goes wrong in one turn of a loop, and go on with the next."""

    def __init__(self) -> None:
        super().__init__(Exception)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if kind is not None and issubclass(kind, Exception):
            structlog.get_logger().error("turn_failed", exc_info=(kind, error, trace))
        return super().__exit__(kind, error, trace) or False


async def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail.lower()}, error.status_code, headers=error.headers)
