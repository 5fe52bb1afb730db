"""Transactions on the workshop's tables. The database is the only truth: nothing is kept beside it.

    async with store.turn() as db:      one transaction; an error undoes it
        row = await one(db, "SELECT …", …)

While Postgres is away every turn is refused with 503 and a time to come back; callers repeat, and everything that they
can ask for may be asked twice.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString

import psycopg
import structlog
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from labsvc.rest import Refused
from labsvc.workshop import schema

Db = psycopg.AsyncConnection[dict[str, Any]]
Row = Mapping[str, Any]

WAIT_S = 5.0  # longest wait for a connection
RETRY_S = 1.0  # what a caller is told while the database is away, and how often the tables are tried

_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.UndefinedTable)  # the pool's are operational


class Store:
    """The tables behind one pool."""

    def __init__(self, pool: "AsyncConnectionPool[Any] | None") -> None:
        self._pool = pool
        self._made = asyncio.Event()
        self._making: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Make the tables as soon as the database answers."""
        if self._pool is not None and (self._making is None or self._making.done()):
            self._made.clear()
            self._making = asyncio.create_task(self._make(self._pool))

    async def stop(self) -> None:
        """Stop trying."""
        if self._making is not None:
            self._making.cancel()
            with suppress(asyncio.CancelledError):
                await self._making

    @property
    def exists(self) -> bool:
        """Whether there is a database at all."""
        return self._pool is not None

    @property
    def is_ready(self) -> bool:
        """Whether the tables are there, as far as is known."""
        return self._made.is_set()

    async def ready(self) -> None:
        """Return when the tables are there."""
        await self._made.wait()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Db]:
        """One transaction. Raises Refused: 503 while the database cannot be used, 409 for who was a moment late."""
        if self._pool is None:
            raise Refused(503, "there is no workshop without a database; set LAB_DATABASE_URL")
        if not self.is_ready:
            raise _away("its tables are not there yet")
        try:
            async with self._pool.connection(timeout=WAIT_S) as connection:
                connection.row_factory = dict_row
                yield connection
        except psycopg.errors.ForeignKeyViolation as error:
            raise Refused(409, "your session is gone; join the new one: make join CODE=… AT=…") from error
        except psycopg.errors.UniqueViolation as error:
            raise Refused(409, "somebody took that a moment before; try again") from error
        except _AWAY as error:
            if isinstance(error, psycopg.errors.UndefinedTable):
                self.start()
            raise _away(type(error).__name__) from error

    async def _make(self, pool: "AsyncConnectionPool[Any]") -> None:
        while True:
            try:
                async with pool.connection(timeout=WAIT_S) as connection:
                    await schema.ensure(connection)
                self._made.set()
                return
            except psycopg.Error as error:
                structlog.get_logger().info("tables_not_made", why=str(error).strip().split("\n")[0])
                await asyncio.sleep(RETRY_S)


async def one(db: Db, query: LiteralString, params: Sequence[Any] | Mapping[str, Any] = ()) -> Row | None:
    """The first row of an answer, None when there is none."""
    return await (await db.execute(query, params)).fetchone()


async def rows(db: Db, query: LiteralString, params: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
    """All rows of an answer."""
    return await (await db.execute(query, params)).fetchall()


def _away(why: str) -> Refused:
    return Refused(503, f"the database is away ({why}); try again in a moment", retry_after_s=RETRY_S)
