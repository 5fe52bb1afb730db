"""The workshop as one object: its parts, made together, started and stopped together."""

import asyncio
from contextlib import suppress
from typing import Any

from psycopg_pool import AsyncConnectionPool

from labsvc.deps import Clock
from labsvc.workshop.analytics import Analytics
from labsvc.workshop.context import Business, Context, Emit
from labsvc.workshop.desk import Desk
from labsvc.workshop.doorkeeper import Doorkeeper
from labsvc.workshop.hall import Hall
from labsvc.workshop.hour import Hour
from labsvc.workshop.keeper import Keeper
from labsvc.workshop.plan import Plan
from labsvc.workshop.store import Store


class Workshop:
    """One a process. The pool is opened and closed by whoever made it; without one every request is refused."""

    def __init__(
        self, pool: "AsyncConnectionPool[Any] | None", plan: Plan, clock: Clock, *, emit: Emit, business: Business
    ) -> None:
        self.context = Context(Store(pool), plan, clock, emit, business)
        self.door = Doorkeeper(self.context)
        self.hour = Hour(self.context)
        self.hall = Hall(self.context, self.door)
        self.desk = Desk(self.context)
        self.keeper = Keeper(self.context, self.desk, self.door)
        self.analytics = Analytics(self.context.store, plan, clock)
        self._beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Make the tables and begin to beat, both as soon as the database answers."""
        self.context.store.start()
        self._beating = asyncio.create_task(self.keeper.keep())

    async def stop(self) -> None:
        """End the beat."""
        if self._beating is not None:
            self._beating.cancel()
            with suppress(asyncio.CancelledError):
                await self._beating
        await self.context.store.stop()
