"""The pool of connections that lab code shares: it is exhausted by calls that hang, and by nothing else."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from labsvc.clients import Clients
from labsvc.metrics import Metrics

SLOTS = 5
PATIENCE_S = 60.0  # of who is sure to be answered, on a busy machine


@asynccontextmanager
async def dependency() -> AsyncIterator[str]:
    """A server that answers /ok after 20 ms and /hang never."""
    serving: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            while b"/hang" not in await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(0.02)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()
            await reader.read()  # until the caller leaves
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            serving.discard(task)
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


@asynccontextmanager
async def pricing() -> AsyncIterator[httpx.AsyncClient]:
    """A client on a pool of SLOTS connections."""
    async with dependency() as url:
        clients = Clients(url, size=SLOTS, metrics=Metrics())
        yield clients("pricing")
        await clients.close()


async def ask(client: httpx.AsyncClient, path: str) -> None:
    """One call with the deadlines of the reference fix, shorter; whatever becomes of it."""
    with suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout(0.25):
            await client.get(path, timeout=0.15)


def test_calls_that_hang_take_every_slot() -> None:
    """Without a timeout, hanging calls starve the healthy ones: the lab's own failure."""

    async def crowd() -> None:
        async with pricing() as client:
            hanging = [asyncio.create_task(client.get("/hang")) for _ in range(SLOTS)]
            await asyncio.sleep(0.05)
            with pytest.raises(httpx.PoolTimeout):
                await client.get("/ok", timeout=0.15)
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    asyncio.run(crowd())


def test_slots_come_back_after_the_loop_stalled_under_two_deadlines() -> None:
    """Deadlines that fire together in a stalled turn of the loop lose no slot, however often."""

    async def storm() -> Counter[int]:
        async with pricing() as client:
            for n in range(12):
                calls = [asyncio.create_task(ask(client, "/hang" if i % 3 == 0 else "/ok")) for i in range(4 * SLOTS)]
                await asyncio.sleep(0.01 * (n % 5))
                time.sleep(0.1 + 0.03 * (n % 6))  # noqa: ASYNC251 - the stall is what is tested
                await asyncio.gather(*calls)
            answers = await asyncio.gather(*(client.get("/ok", timeout=PATIENCE_S) for _ in range(SLOTS)))
            return Counter(answer.status_code for answer in answers)

    assert asyncio.run(storm()) == {200: SLOTS}
