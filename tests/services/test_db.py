"""What Postgres tells of its sessions, on a real one; and that silence is told as such."""

import asyncio
import math

import psycopg
import pytest

from labsvc import db
from labsvc.db import Heartbeat, Sessions
from labsvc.metrics import Metrics

NOWHERE = "postgresql://postgres@127.0.0.1:1/postgres"
LIMIT_S = 60.0


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not make Postgres look silent."""
    monkeypatch.setattr(db, "CHECK_S", LIMIT_S)


def gauges(metrics: Metrics) -> dict[str, float]:
    """The figures of a process that say something of the database."""
    lines = (line.split() for line in metrics.text().decode().splitlines() if line.startswith("labsvc_db_"))
    return {name.removeprefix("labsvc_db_"): float(value) for name, value in lines}


def test_sessions_tell_locks_idleness_and_age(database_url: str) -> None:
    """One holds a row and does nothing, one waits for that row; both transactions are open."""

    async def story() -> None:
        metrics = Metrics()
        sessions = Sessions(database_url, metrics=metrics)
        assert math.isnan(gauges(metrics)["lock_waits"])
        async with (
            await psycopg.AsyncConnection.connect(database_url, autocommit=True) as setup,
            await psycopg.AsyncConnection.connect(database_url) as holder,
            await psycopg.AsyncConnection.connect(database_url) as waiter,
        ):
            await setup.execute("CREATE TABLE IF NOT EXISTS seat AS SELECT 1 AS n")
            async with asyncio.timeout(LIMIT_S):
                while gauges(metrics)["idle_in_transaction"] != 0:  # sessions of the tests before may still end
                    await sessions.refresh()
            await holder.execute("SELECT n FROM seat FOR UPDATE")
            asked = asyncio.ensure_future(waiter.execute("SELECT n FROM seat FOR UPDATE"))
            async with asyncio.timeout(LIMIT_S):
                while gauges(metrics)["lock_waits"] < 1:
                    await sessions.refresh()
            told = gauges(metrics)
            assert (told["lock_waits"], told["idle_in_transaction"]) == (1, 1)
            assert 0 < told["longest_transaction_seconds"] < 2 * LIMIT_S
            await holder.rollback()
            await asked
            await waiter.rollback()
            await sessions.refresh()
            assert gauges(metrics)["lock_waits"] == 0
        await sessions.close()

    asyncio.run(story())


def test_database_that_does_not_answer_is_missing_and_has_no_figures() -> None:
    """Nobody at the address: said in words, and as no number at all."""

    async def story() -> None:
        metrics = Metrics()
        sessions = Sessions(NOWHERE, metrics=metrics)
        await sessions.refresh()
        assert all(math.isnan(value) for value in gauges(metrics).values())
        assert (await Heartbeat(NOWHERE).missing()).startswith("postgres: ")

    asyncio.run(story())


def test_heartbeat_comes_back_after_its_connection_was_cut(database_url: str) -> None:
    """A restarted Postgres is found again without a restart of ours."""

    async def story() -> None:
        heartbeat = Heartbeat(database_url)
        assert await heartbeat.missing() == ""
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as other:
            await other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND query = 'SELECT 1'"
            )
        assert (await heartbeat.missing()).startswith("postgres: ")
        assert await heartbeat.missing() == ""
        await heartbeat.close()

    asyncio.run(story())
