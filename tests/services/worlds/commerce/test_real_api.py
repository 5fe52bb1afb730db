"""The world and the real shop on a real Postgres: their books are equal, also when Postgres is killed meanwhile."""

import asyncio
from typing import Any

import pytest
from tests.services.shop.conftest import Front, patience
from tests.services.shop.conftest import opened as shop_opened
from tests.services.workshop.conftest import Server, postgres
from tests.services.worlds.commerce.conftest import MemoryOutlet, Wall, keep, opened

from labsvc.sim.instant import DAY_US
from labsvc.worlds import Answer
from labsvc.worlds.commerce import Commerce

__all__ = ["patience", "postgres"]


class RealShop(MemoryOutlet):
    """Asks the real shop; what it does not know is answered from memory."""

    front: Front
    refusals = 0

    async def call(self, role: str, method: str, path: str, *, body: Any = None, timeout_s: float) -> Answer:
        if not path.startswith("/shop"):
            return await super().call(role, method, path, body=body, timeout_s=timeout_s)
        answer = await self.front.http.request(method, path, json=body)
        self.refusals += answer.status_code == 503
        after = answer.headers.get("retry-after")
        return Answer(answer.status_code, answer.json(), float(after) if after else None)


async def told(world: Commerce) -> None:
    """Wait until the api has everything."""
    async with asyncio.timeout(120):
        while len(world.outbox):
            keep(world)
            await asyncio.sleep(0.02)


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("is_killed", [False, True], ids=["in peace", "postgres is killed"])
def test_books_of_world_and_api_are_equal(postgres: Server, is_killed: bool) -> None:
    """Two hundred days of history in blocks, then ten days order by order."""

    async def story(front: Front) -> None:
        outlet, wall = RealShop(), Wall()
        outlet.front = front
        world = opened(outlet, wall, history_days=200)
        world.delivery._now_s = asyncio.get_running_loop().time
        keep(world)
        sending = asyncio.create_task(world.delivery.run())
        await told(world)
        assert await front.get("/shop/books") == world.books()
        kernel = world.simulation.kernel
        if is_killed:
            postgres.kill()
        for _ in range(10):
            kernel.run_until(kernel.now_us + DAY_US)
            keep(world)
            await asyncio.sleep(0.05)
        if is_killed:
            postgres.start()
        await told(world)
        sending.cancel()
        assert await front.get("/shop/books") == world.books()
        assert (outlet.refusals > 0) == is_killed

    asyncio.run(shop_opened(postgres.url, story))
