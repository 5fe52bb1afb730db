"""The pool of Postgres connections of a process, whether Postgres answers, and what its sessions are doing.

The last two ask over connections of their own: a pool that a lab has used up must neither look like a dead database
nor hide who used it up.
"""

import asyncio
import math
from functools import partial
from typing import Any, LiteralString

import psycopg
from psycopg_pool import AsyncConnectionPool

from labsvc import traffic
from labsvc.metrics import Metrics

CHECK_S = 1.0  # longest time that a readiness check may take
REFRESH_S = 0.5  # between two looks at the sessions; the driver's probe reads once a second

# All sessions of our database but the one that asks. A session waits for a lock when another transaction holds it; it
# is idle in a transaction when it holds one open while its program does something else.
SESSIONS = """
SELECT coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8,
       count(*) FILTER (WHERE wait_event_type = 'Lock'),
       count(*) FILTER (WHERE state LIKE 'idle in transaction%')
FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
GAUGES = (  # in the order of what SESSIONS selects
    ("labsvc_db_longest_transaction_seconds", "age of the oldest open transaction of any session"),
    ("labsvc_db_lock_waits", "sessions that wait for a lock"),
    ("labsvc_db_idle_in_transaction", "sessions that hold a transaction open and do nothing in it"),
)


class Pool(AsyncConnectionPool[Any]):
    """A pool that knows how many of those who wait for a connection are the live business's."""

    background_waiting = 0

    async def getconn(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the pool's own
        if not traffic.is_background():
            return await super().getconn(timeout)
        self.background_waiting += 1
        try:
            return await super().getconn(timeout)
        finally:
            self.background_waiting -= 1


def pool(url: str, *, size: int, metrics: Metrics) -> "AsyncConnectionPool[Any]":
    """A pool that is not open yet. Each connection is checked when it is handed out, so it outlives a restart."""
    made = Pool(
        url,
        min_size=min(2, size),
        max_size=size,
        open=False,
        check=AsyncConnectionPool.check_connection,
        reconnect_timeout=5.0,
        name="labsvc",
    )

    def figure(name: str) -> float:
        return made.get_stats().get(name, 0)

    metrics.read_on_demand(
        "labsvc_db_pool_in_use",
        "connections handed out",
        lambda: figure("pool_size") - figure("pool_available"),
    )
    metrics.read_on_demand(
        "labsvc_db_pool_waiting",
        "callers waiting for a connection, the live business's left out",
        lambda: max(0, figure("requests_waiting") - made.background_waiting),
    )
    return made


class Line:
    """One connection outside the pool, opened when it is needed and given up when it fails."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._turn = asyncio.Lock()

    async def ask(self, query: LiteralString, *values: Any) -> tuple[Any, ...]:
        """The first row, () without any.

        Raises psycopg.Error or OSError when Postgres does not answer, TimeoutError after CHECK_S; up to ten seconds
        later when it stands still with a query in hand, for psycopg tries to cancel that first.
        """
        try:
            async with asyncio.timeout(CHECK_S), self._turn:
                if self._connection is None or self._connection.closed:
                    self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
                cursor = await self._connection.execute(query, values or None)
                row = await cursor.fetchone() if cursor.description else None
                return tuple(row or ())
        except (TimeoutError, psycopg.Error, OSError):
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


class Heartbeat:
    """Asks Postgres for a sign of life."""

    def __init__(self, url: str) -> None:
        self._line = Line(url)

    async def missing(self) -> str:
        """Why Postgres cannot be used, "" when it can."""
        try:
            await self._line.ask("SELECT 1")
            return ""
        except TimeoutError:
            return f"postgres: no answer in {CHECK_S:g} s"
        except (psycopg.Error, OSError) as error:
            return f"postgres: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}"

    async def close(self) -> None:
        """Close the connection, if there is one."""
        await self._line.close()


class Sessions:
    """What the sessions of the database are doing, from `pg_stat_activity`, as gauges. NaN: Postgres does not tell."""

    def __init__(self, url: str, *, metrics: Metrics) -> None:
        self._line = Line(url)
        self._told: tuple[float, ...] = (math.nan,) * len(GAUGES)
        for index, (name, help_text) in enumerate(GAUGES):
            metrics.read_on_demand(name, help_text, partial(self._figure, index))

    def _figure(self, index: int) -> float:
        return self._told[index]

    async def refresh(self) -> None:
        """Look once. Never raises for a database that does not answer."""
        try:
            self._told = tuple(float(value) for value in await self._line.ask(SESSIONS))
        except (TimeoutError, psycopg.Error, OSError):
            self._told = (math.nan,) * len(GAUGES)

    async def watch(self) -> None:
        """Look every REFRESH_S, until cancelled."""
        try:
            while True:
                await self.refresh()
                await asyncio.sleep(REFRESH_S)
        finally:
            await self.close()

    async def close(self) -> None:
        """Close the connection, if there is one."""
        await self._line.close()
