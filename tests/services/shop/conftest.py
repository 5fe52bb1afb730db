"""The shop on a real Postgres, before a lab that always answers; asked in memory, without a socket."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from starlette.types import Receive, Scope, Send

from labsvc import db
from labsvc.metrics import Metrics
from labsvc.shop import orders
from labsvc.shop.shop import Shop

ORDER = {
    "customer": {"name": "Ann Lee", "region": "west", "city": "Reno"},
    "sku": "cedar-60",
    "product": "Cedar 60",
    "kind": "home",
    "components": [{"sku": "roof-a", "name": "Roof", "amount_cents": 5}],
    "amount_cents": 12_900_000,
    "price_ref": None,
    "status": "pending",
    "placed_at": "2026-11-21T10:00:00Z",
    "delivered_at": None,
}


class Front:
    """One replica: the shop, its metrics, and a client that asks it."""

    def __init__(self, shop: Shop, metrics: Metrics, http: httpx.AsyncClient, pool: "AsyncConnectionPool[Any]") -> None:
        self.shop, self.metrics, self.http, self.pool = shop, metrics, http, pool

    async def put(self, number: str, **more: Any) -> httpx.Response:
        return await self.http.put(f"/shop/orders/{number}", json={**ORDER, **more})

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


Story = Callable[..., Awaitable[Any]]
Play = Callable[[Story], Any]


async def labs(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a lab"})


async def opened(url: str, story: Story, *, replicas: int = 1) -> Any:
    """Play a story with so many replicas on empty tables."""
    async with AsyncConnectionPool(url, min_size=1, max_size=4, open=False) as pool:
        fronts = []
        for _ in range(replicas):
            metrics = Metrics()
            shop = Shop(pool, url, metrics=metrics)
            transport = httpx.ASGITransport(shop.before(labs))
            fronts.append(
                Front(shop, metrics, httpx.AsyncClient(base_url="http://api.test", transport=transport), pool)
            )
        try:
            for front in fronts:
                front.shop.start()
            async with asyncio.timeout(60):
                while any(front.shop.missing() for front in fronts):  # noqa: ASYNC110 - nothing to wait on but the state
                    await asyncio.sleep(0.01)
            return await story(*fronts)
        finally:
            await wiped(url)  # now, so that nobody begins in the maintenance of the test before
            for front in fronts:
                await front.shop.stop()
                await front.http.aclose()


async def wiped(url: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("TRUNCATE shop.orders, shop.maintenance RESTART IDENTITY")


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not make the shop refuse, nor Postgres look silent."""
    monkeypatch.setattr(orders, "WAIT_S", 60.0)
    monkeypatch.setattr(db, "CHECK_S", 60.0)


@pytest.fixture
def play(database_url: str, patience: None) -> Play:
    """Play a story on one replica."""
    return lambda story: asyncio.run(opened(database_url, story))


@pytest.fixture
def play_two(database_url: str, patience: None) -> Play:
    """Play a story on two replicas of one database."""
    return lambda story: asyncio.run(opened(database_url, story, replicas=2))
