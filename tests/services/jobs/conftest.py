"""Both stores of jobs: in memory, and on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from psycopg_pool import AsyncConnectionPool

from labsvc.jobs import Store
from labsvc.jobs.memory import MemoryStore
from labsvc.jobs.postgres import PostgresStore

Opened = Callable[[], AbstractAsyncContextManager[Store]]


@pytest.fixture(params=["memory", "postgres"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """Opens an empty store, in the loop of the test."""
    if request.param == "memory":
        return _memory
    url = request.getfixturevalue("database_url")
    return lambda: _postgres(url)


@asynccontextmanager
async def _memory() -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def _postgres(url: str) -> AsyncIterator[Store]:
    async with AsyncConnectionPool(url, min_size=2, max_size=6, open=False) as pool:
        store = PostgresStore(pool)
        await store.prepare()
        await store.wipe()
        yield store


def run(opened: Opened, scene: Callable[[Store], Awaitable[Any]]) -> Any:
    """Play a scene on a store."""

    async def play() -> Any:
        async with opened() as store:
            return await scene(store)

    return asyncio.run(play())
