"""The database in memory: a pool that makes people wait, transactions that are all or nothing, locks on rows."""

import asyncio
import time

import pytest

from labsvc.fakedb import FakeConnection, FakeDatabase, NoSql
from labsvc.virtual import run_virtual


def test_transaction_commits_at_its_end_and_rolls_back_on_an_exception() -> None:
    """Others see all of it or nothing, and not before the end."""

    async def story() -> None:
        database = FakeDatabase()
        async with database.connection() as conn:
            await conn.write("cedar-60", 5)
            assert "cedar-60" not in database.rows
            assert await conn.read("cedar-60") == 5
        assert database.rows == {"cedar-60": 5}
        with pytest.raises(ZeroDivisionError):
            await _spoil(database)
        assert database.rows == {"cedar-60": 5}
        assert database.in_use == 0

    run_virtual(story())


async def _spoil(database: FakeDatabase) -> None:
    async with database.connection() as conn:
        await conn.write("cedar-60", 4)
        await conn.write("birch-50", 4 // 0)


async def _take_one(database: FakeDatabase, *, locks: bool) -> None:
    async with database.connection() as conn:
        left = await (conn.lock("cedar-60") if locks else conn.read("cedar-60"))
        await asyncio.sleep(0.1)
        await conn.write("cedar-60", left - 1)


@pytest.mark.parametrize(("locks", "left"), [(True, 2), (False, 4)], ids=["locked", "lost_update"])
def test_row_lock_keeps_updates_from_getting_lost(locks: bool, left: int) -> None:
    """Three take one of five: with the lock two are left; without it, all three write the same four."""

    async def story() -> int:
        database = FakeDatabase()
        database.rows["cedar-60"] = 5
        await asyncio.gather(*(_take_one(database, locks=locks) for _ in range(3)))
        found: int = database.rows["cedar-60"]
        return found

    assert run_virtual(story()) == left


def test_row_lock_is_held_to_the_end_of_the_transaction_and_only_for_its_row() -> None:
    """Three times 100 ms for one row, once for three rows."""

    async def took_s(rows: list[str]) -> float:
        database = FakeDatabase()
        begun_s = time.monotonic()

        async def one(row: str) -> None:
            async with database.connection() as conn:
                await conn.lock(row)
                await asyncio.sleep(0.1)

        await asyncio.gather(*(one(row) for row in rows))
        return time.monotonic() - begun_s

    assert run_virtual(took_s(["a", "a", "a"])) == pytest.approx(0.3, abs=0.05)
    assert run_virtual(took_s(["a", "b", "c"])) == pytest.approx(0.1, abs=0.05)


def test_pool_lets_callers_wait_in_line_and_survives_those_who_leave() -> None:
    """Two connections, four callers: first come, first served; one who gives up takes no connection with him."""

    async def story() -> list[str]:
        database = FakeDatabase(pool_size=2)
        served: list[str] = []

        async def hold(name: str) -> None:
            async with database.connection():
                served.append(name)
                await asyncio.sleep(1)

        callers = [asyncio.ensure_future(hold(name)) for name in "abcd"]
        await asyncio.sleep(0.5)
        assert database.get_stats() == {"pool_size": 2, "pool_max": 2, "requests_waiting": 2}
        callers[2].cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        assert database.get_stats()["pool_size"] == 0
        return served

    assert run_virtual(story()) == ["a", "b", "d"]


def test_pool_that_is_made_bigger_serves_those_who_wait() -> None:
    """As the real one does: no need for a new caller to come."""

    async def story() -> int:
        database = FakeDatabase(pool_size=1)

        async def hold() -> None:
            async with database.connection():
                await asyncio.sleep(1)

        callers = [asyncio.ensure_future(hold()) for _ in range(3)]
        await asyncio.sleep(0.1)
        await database.resize(1, 3)
        await asyncio.sleep(0.1)
        in_use = database.in_use
        await asyncio.gather(*callers)
        assert database.in_use == 0
        return in_use

    assert run_virtual(story()) == 3


def test_it_knows_whose_transaction_is_open() -> None:
    """The one who asks inside a block, and nobody else meanwhile."""

    async def story() -> None:
        database = FakeDatabase()
        assert not database.is_held_here()
        async with database.connection():
            assert database.is_held_here()
            assert not await asyncio.create_task(_asked(database))
        assert not database.is_held_here()

    run_virtual(story())


async def _asked(database: FakeDatabase) -> bool:
    return database.is_held_here()


def test_statements_are_refused_by_name() -> None:
    """It runs no SQL and does not pretend to."""
    with pytest.raises(NoSql, match="SELECT 1"):
        run_virtual(FakeConnection(FakeDatabase()).execute("SELECT 1\nFROM somewhere"))
