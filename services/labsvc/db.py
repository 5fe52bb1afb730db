"""The pool of Postgres connections of a process, and the question whether Postgres answers.

Readiness asks over a connection of its own: a pool that a lab has used up must not look like a dead database.
"""

import asyncio
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from labsvc.metrics import Metrics

CHECK_S = 1.0  # longest time that a readiness check may take


def pool(url: str, *, size: int, metrics: Metrics) -> "AsyncConnectionPool[Any]":
    """A pool that is not open yet. Each connection is checked when it is handed out, so it outlives a restart."""
    made: AsyncConnectionPool[Any] = AsyncConnectionPool(
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
        "labsvc_db_pool_waiting", "callers waiting for a connection", lambda: figure("requests_waiting")
    )
    return made


class Heartbeat:
    """Asks Postgres for a sign of life over one connection of its own."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._turn = asyncio.Lock()

    async def missing(self) -> str:
        """Why Postgres cannot be used, "" when it can."""
        try:
            async with asyncio.timeout(CHECK_S), self._turn:
                if self._connection is None or self._connection.closed:
                    self._connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True)
                await self._connection.execute("SELECT 1")
                return ""
        except TimeoutError:
            await self.close()
            return f"postgres: no answer in {CHECK_S:g} s"
        except (psycopg.Error, OSError) as error:
            await self.close()
            return f"postgres: {str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}"

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
