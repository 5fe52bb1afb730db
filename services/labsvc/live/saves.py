"""Where worlds are kept over a restart, and the lock that lets one process at a time run them."""

import asyncio
from typing import Any, LiteralString, Protocol

import psycopg

from labsvc.deps import Clock
from labsvc.rest import Refused
from labsvc.workshop.store import Store, one

LOCK = 4_711_003  # advisory lock: while a process is replaced two of them live for a moment
TRY_S = 0.5


class Saves(Protocol):
    """What a world's host needs."""

    async def lead(self) -> None:
        """Return as soon as this process may run the worlds."""
        ...

    async def read(self, world: str) -> str | None:
        """What was kept of a world last."""
        ...

    async def write(self, world: str, saved: str, *, again: bool) -> bool:
        """Keep a world. `again`: only where it was kept before; False when that is gone."""
        ...

    async def is_gone(self, world: str) -> bool:
        """Whether what was kept of a world is there no more: somebody has wiped the database."""
        ...

    async def close(self) -> None: ...


class NoSaves:
    """Without a database: nothing is kept."""

    async def lead(self) -> None:
        return None

    async def read(self, world: str) -> str | None:
        return None

    async def write(self, world: str, saved: str, *, again: bool) -> bool:
        return True

    async def is_gone(self, world: str) -> bool:
        return False

    async def close(self) -> None:
        return None


class PostgresSaves:
    """In the table `live_worlds`; the lock is held by a connection of its own, so it goes with the process."""

    def __init__(self, store: Store, database_url: str, clock: Clock) -> None:
        self._store = store
        self._url = database_url
        self._clock = clock
        self._lock: psycopg.AsyncConnection[Any] | None = None

    async def lead(self) -> None:
        while True:
            try:
                if await self._try_lock():
                    return
            except (psycopg.Error, OSError):
                await self.close()
            await asyncio.sleep(TRY_S)

    async def read(self, world: str) -> str | None:
        while True:
            try:
                async with self._store.turn() as db:
                    row = await one(db, "SELECT saved FROM live_worlds WHERE world = %s", (world,))
                    return str(row["saved"]) if row else None
            except Refused:
                await asyncio.sleep(TRY_S)

    async def write(self, world: str, saved: str, *, again: bool) -> bool:
        """Raises Refused (503) while the database is away."""
        how: LiteralString = (
            "UPDATE live_worlds SET saved = %(saved)s, saved_s = %(now)s WHERE world = %(world)s"
            if again
            else "INSERT INTO live_worlds (world, saved, saved_s) VALUES (%(world)s, %(saved)s, %(now)s)"
            " ON CONFLICT (world) DO UPDATE SET saved = EXCLUDED.saved, saved_s = EXCLUDED.saved_s"
        )
        async with self._store.turn() as db:
            done = await db.execute(how, {"world": world, "saved": saved, "now": self._clock.now_s()})
            return done.rowcount == 1

    async def is_gone(self, world: str) -> bool:
        """Raises Refused (503) while the database is away."""
        async with self._store.turn() as db:
            return await one(db, "SELECT 1 FROM live_worlds WHERE world = %s", (world,)) is None

    async def close(self) -> None:
        if self._lock is not None:
            await self._lock.close()
            self._lock = None

    async def _try_lock(self) -> bool:
        if self._lock is None or self._lock.closed:
            self._lock = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
        row = await (await self._lock.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))).fetchone()
        return bool(row and row[0])
