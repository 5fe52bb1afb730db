"""Both stores of jobs: in memory, and a real Postgres that lives as long as the test session."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from labdriver.stack.local.postgres import Postgres, stand_in
from labsvc.jobs import Store
from labsvc.jobs.memory import MemoryStore
from labsvc.jobs.postgres import PostgresStore

Opened = Callable[[], AbstractAsyncContextManager[Store]]
READY_S = 20.0


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of our own, without tables."""
    server = Postgres(tmp_path_factory.mktemp("postgres"), ("-c", "fsync=off"))
    server.prepare()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(server.command(), cwd="/", **quiet, **stand_in()) as process:
        try:
            asyncio.run(_until_ready(server.url))
            yield server.url
        finally:
            process.terminate()


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


async def _until_ready(url: str) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            try:
                await (await psycopg.AsyncConnection.connect(url)).close()
                return
            except psycopg.OperationalError:
                await asyncio.sleep(0.05)


def run(opened: Opened, scene: Callable[[Store], Awaitable[Any]]) -> Any:
    """Play a scene on a store."""

    async def play() -> Any:
        async with opened() as store:
            return await scene(store)

    return asyncio.run(play())
