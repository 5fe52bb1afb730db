"""Maintenance of the api: one row in Postgres, so that every replica knows, and none is needed for its end.

    PUT /shop/maintenance ──▶ the row ◀──every LOOK_S── each replica, over a connection outside the pool

Between two looks a replica goes by its own monotonic clock: maintenance ends by itself, with or without Postgres.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any, LiteralString

import psycopg

from labsvc.db import Line
from labsvc.rest import Refused
from labsvc.shop.shapes import Lasting

LOOK_S = 0.3
RETRY_S = 1.0

LEFT = """
SELECT extract(epoch FROM until_at - clock_timestamp())::float8, why FROM shop.maintenance
WHERE until_at > clock_timestamp()
"""
BEGIN = """
INSERT INTO shop.maintenance (until_at, why) VALUES (clock_timestamp() + %s * interval '1 second', %s)
ON CONFLICT (is_only) DO UPDATE SET until_at = EXCLUDED.until_at, why = EXCLUDED.why
"""
END = "DELETE FROM shop.maintenance"


class Maintenance:
    """What this replica knows of it. `tables`: the statements that make the shop's tables where there are none."""

    def __init__(self, url: str, *, tables: LiteralString = "") -> None:
        self._tables = tables
        self._line = Line(url)
        self._until_mono_s = 0.0
        self._why = ""

    @property
    def left_s(self) -> float:
        """Seconds until its end, 0 when there is none."""
        return max(0.0, self._until_mono_s - time.monotonic())

    def lasting(self) -> Lasting | None:
        """The maintenance that is on now."""
        left_s = self.left_s
        if not left_s:
            return None
        return Lasting(until_s=round(time.time() + left_s, 3), left_s=round(left_s, 3), why=self._why)

    async def begin(self, for_s: float, why: str) -> None:
        """Begin maintenance, or have the one that is on end then. Raises Refused(503) when Postgres does not answer."""
        await self._done(BEGIN, for_s, why)

    async def end(self) -> None:
        """End it now, if there is one. Raises Refused(503) when Postgres does not answer."""
        await self._done(END)

    async def look(self) -> None:
        """Look once. What was known holds when Postgres does not answer; a new, empty one is given its tables."""
        with suppress(TimeoutError, psycopg.Error, OSError):
            try:
                self._know(await self._line.ask(LEFT))
            except psycopg.errors.UndefinedTable:  # on a cluster the data goes with the database's pod
                if self._tables:
                    await self._line.ask(self._tables)

    async def watch(self) -> None:
        """Look every LOOK_S, until cancelled."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_S)
        finally:
            await self._line.close()

    async def _done(self, statement: Any, *values: Any) -> None:
        try:
            await self._line.ask(statement, *values)
            self._know(await self._line.ask(LEFT))
        except (TimeoutError, psycopg.Error, OSError) as error:
            told = str(error).strip().partition("\n")[0] or type(error).__name__
            raise Refused(503, f"the shop has no database: {told}", retry_after_s=RETRY_S) from error

    def _know(self, row: tuple[Any, ...]) -> None:
        left_s, self._why = row or (0.0, "")
        self._until_mono_s = time.monotonic() + left_s
