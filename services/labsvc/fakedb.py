"""A database in memory, as far as the labs' checks need one: a pool, transactions that commit or roll back, row locks.

    database = FakeDatabase(pool_size=10)
    async with database.connection() as conn:       waits for a free one; commits at the end, rolls back on an exception
        left = await conn.lock("cedar-60")          waits for whoever holds the row; held until the transaction ends
        await conn.write("cedar-60", left - 1)      seen by others after the commit

Rows are values under a key, isolation is Postgres's read committed: a value that was read without a lock may have been
changed by the time it is written. It knows no SQL and says so. Knows no lab.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Any

STATEMENT_S = 0.001  # what every statement takes


class NoSql(Exception):
    """A statement of one's own, which only a real database can run."""


class FakeDatabase:
    """Committed rows, and the pool of connections to them."""

    def __init__(self, *, pool_size: int = 10) -> None:
        self.rows: dict[Hashable, Any] = {}
        self.max_size = pool_size
        self.in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._locks: defaultdict[Hashable, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._holders: dict[FakeConnection, asyncio.Task[Any] | None] = {}

    def get_stats(self) -> dict[str, int]:
        """As the real pool tells them."""
        return {"pool_size": self.in_use, "pool_max": self.max_size, "requests_waiting": len(self._waiting)}

    async def resize(self, min_size: int, max_size: int | None = None) -> None:
        """As the real pool does it; `min_size` means nothing here."""
        self.max_size = max_size or min_size
        while self._waiting and self.in_use < self.max_size:
            self.in_use += 1
            self._hand_over()

    @asynccontextmanager
    async def connection(self) -> "AsyncIterator[FakeConnection]":
        """A connection with a transaction of its own."""
        await self._acquire()
        conn = FakeConnection(self)
        self._holders[conn] = asyncio.current_task()
        try:
            yield conn
            await asyncio.sleep(STATEMENT_S)
            self.rows |= conn.written
        finally:
            del self._holders[conn]
            conn.end()
            self._hand_over()

    def is_held_here(self) -> bool:
        """True when the task that asks has a transaction open."""
        return asyncio.current_task() in self._holders.values()

    def row_lock(self, key: Hashable) -> asyncio.Lock:
        return self._locks[key]

    async def _acquire(self) -> None:
        if self.in_use < self.max_size and not self._waiting:
            self.in_use += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn  # whoever hands a connection back gives it to the first in line
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._hand_over()
            else:
                self._waiting.remove(turn)
            raise

    def _hand_over(self) -> None:
        """Give a connection to the first in line, or back to the pool."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.in_use -= 1


class FakeConnection:
    """One connection during one transaction."""

    def __init__(self, database: FakeDatabase) -> None:
        self._database = database
        self._locked: dict[Hashable, asyncio.Lock] = {}
        self.written: dict[Hashable, Any] = {}

    async def read(self, key: Hashable) -> Any:
        """The value as it was committed last, or as this transaction has written it. None: no such row."""
        await asyncio.sleep(STATEMENT_S)
        return self.written.get(key, self._database.rows.get(key))

    async def lock(self, key: Hashable) -> Any:
        """The value, and the row's lock until the transaction ends: SELECT … FOR UPDATE."""
        if key not in self._locked:
            lock = self._database.row_lock(key)
            await lock.acquire()
            self._locked[key] = lock
        return await self.read(key)

    async def write(self, key: Hashable, value: Any) -> None:
        """Set the value when the transaction commits. Takes the row's lock, as every UPDATE does."""
        await self.lock(key)
        self.written[key] = value

    async def execute(self, query: Any, *_: Any, **__: Any) -> Any:
        """Raises NoSql: statements need a real database."""
        raise NoSql(f"this check runs no SQL: {str(query).strip().splitlines()[0][:60]}")

    def end(self) -> None:
        """Let go of every lock."""
        for lock in self._locked.values():
            lock.release()
        self._locked.clear()
