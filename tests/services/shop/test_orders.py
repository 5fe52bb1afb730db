"""Orders of the shop: stored once however often they are told of, never going back; wrong ones refused in one line."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg_pool import AsyncConnectionPool
from tests.services.shop.conftest import ORDER, Front, Play, labs, opened, wiped

from labsvc.metrics import Metrics
from labsvc.shop.shapes import STATUSES
from labsvc.shop.shop import Shop

REGIONS = ("west", "north")


def test_an_order_is_new_once_and_comes_back_whole(play: Play) -> None:
    """201, then 200; what is told later changes nothing but status, delivery and a price that was not known."""

    async def story(front: Front) -> None:
        first = await front.put("FH-1")
        assert (first.status_code, first.json()) == (201, {"number": "FH-1", "status": "pending"})
        later = {"status": "delivered", "delivered_at": "2026-12-01T08:00:00Z", "price_ref": "q-1", "amount_cents": 1}
        again = await front.put("FH-1", **later)
        assert (again.status_code, again.json()) == (200, {"number": "FH-1", "status": "delivered"})
        assert await front.get("/shop/orders/FH-1") == {
            **ORDER,
            **later,
            "number": "FH-1",
            "amount_cents": ORDER["amount_cents"],
        }
        back = await front.put("FH-1", status="confirmed")
        assert (back.status_code, back.json()["status"]) == (200, "delivered")
        assert (await front.http.get("/shop/orders/FH-2")).status_code == 404
        assert (await front.http.delete("/shop/orders")).json() == {"deleted": 1}
        assert (await front.get("/shop/books"))["orders"] == 0
        assert (await front.http.get("/quotes/x")).text == "a lab"

    play(story)


def test_orders_are_listed_newest_first(play: Play) -> None:
    """By the time they were placed, whatever order they came in; by status and region; not more than asked for."""

    async def story(front: Front) -> None:
        for n, day in enumerate((3, 9, 5, 7)):
            where = {**ORDER["customer"], "region": REGIONS[n % 2]}
            status = "shipped" if n else "pending"
            await front.put(f"F{day}", placed_at=f"2026-11-0{day}T10:00:00+02:00", customer=where, status=status)

        async def numbers(query: str = "") -> list[str]:
            return [order["number"] for order in (await front.get(f"/shop/orders{query}"))["orders"]]

        assert await numbers() == ["F9", "F7", "F5", "F3"]
        assert await numbers("?limit=1") == ["F9"]
        assert await numbers("?status=shipped&region=north") == ["F9", "F7"]
        assert await numbers("?region=nowhere") == []

    play(story)


TOLD = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(STATUSES)), max_size=30)  # (number, status)


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.usefixtures("patience")
def test_books_are_as_if_each_had_been_told_once(database_url: str, batch: int) -> None:
    """Any orders, any statuses in any order, repeated, one by one and in batches: each counts once, at its furthest."""

    async def story(front: Front) -> None:
        @settings(max_examples=25)
        @given(told=TOLD)
        def law(told: list[tuple[int, str]]) -> None:
            asyncio.run_coroutine_threadsafe(check(told), loop).result(120)

        async def check(told: list[tuple[int, str]]) -> None:
            await wiped(database_url)
            sent = [order(n, status) for n, status in told]
            for start in range(0, len(sent), batch):
                part = sent[start : start + batch]
                if batch > 1:
                    answer = await front.http.post("/shop/orders", json={"orders": part})
                    assert answer.json() == {"stored": len({one["number"] for one in part})}
                else:
                    (one,) = part
                    await front.put(one.pop("number"), **one)
            furthest: dict[int, int] = {}
            for n, status in told:
                furthest[n] = max(furthest.get(n, 0), STATUSES.index(status))  # type: ignore[arg-type]
            assert await front.get("/shop/books") == {
                "orders": len(furthest),
                "by_status": dict(Counter(STATUSES[rank] for rank in furthest.values())),
                "by_region": dict(Counter(REGIONS[n % 2] for n in furthest)),
                "amount_cents": sum(100 + n for n in furthest),
            }

        def order(n: int, status: str) -> dict[str, Any]:
            where = {**ORDER["customer"], "region": REGIONS[n % 2]}
            return {**ORDER, "number": f"F{n}", "status": status, "customer": where, "amount_cents": 100 + n}

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(law)

    asyncio.run(opened(database_url, story))


def test_batches_at_once_do_not_hold_each_other_up(play: Play) -> None:
    """The same orders in opposite directions, many times: all are stored, none is doubled."""

    async def story(front: Front) -> None:
        orders = [{**ORDER, "number": f"F{n}"} for n in range(200)]
        sent = [front.http.post("/shop/orders", json={"orders": orders[:: 1 - 2 * (n % 2)]}) for n in range(8)]
        assert {answer.status_code for answer in await asyncio.gather(*sent)} == {200}
        assert (await front.get("/shop/books"))["orders"] == 200

    play(story)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": "lost"}, "status: Input should be 'pending', 'confirmed'"),
        ({"kind": "castle"}, "kind: Input should be 'home' or 'package', not 'castle'"),
        ({"amount_cents": -1}, "amount_cents: Input should be greater than or equal to 0, not '-1'"),
        ({"amount_cents": 10**30}, "amount_cents: "),
        ({"amount_cents": 1.5}, "amount_cents: "),
        ({"placed_at": "yesterday"}, "placed_at: "),
        ({"placed_at": "2026-11-21T10:00:00"}, "placed_at: Input should have timezone info"),
        ({"placed_at": "0001-01-01T00:00:00+14:00"}, "placed_at: "),
        ({"placed_at": "9999-12-31T23:59:59-14:00"}, "placed_at: "),
        ({"delivered_at": 1e300}, "delivered_at: "),
        ({"customer": {"name": "A"}}, "customer.region: Field required"),
        ({"customer": {**ORDER["customer"], "name": "\u0000\u200b"}}, "customer.name: "),  # type: ignore[dict-item]
        ({"sku": "a b"}, "sku: "),
        ({"product": ""}, "product: "),
        ({"components": [{"sku": "a"}]}, "components.0.name: Field required"),
        ({"components": [{"sku": "a", "name": "a", "amount_cents": 1}] * 51}, "components: "),
        ({"price_ref": 7}, "price_ref: "),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_order_is_refused_in_one_line(change: dict[str, Any], told: str) -> None:
    """422 with the field; in a batch with its place. Nothing of it needs a database."""

    async def story(http: httpx.AsyncClient) -> None:
        body = {**ORDER, **change}
        one = await http.put("/shop/orders/F1", json=body)
        many = await http.post("/shop/orders", json={"orders": [{**ORDER, "number": "F0"}, {**body, "number": "F1"}]})
        for answer, where in ((one, ""), (many, "orders.1.")):
            assert answer.status_code == 422
            assert answer.json()["error"].startswith(where + told)
            assert "\n" not in answer.json()["error"]

    asyncio.run(_without_database(story))


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/shop/orders/F1", "{", 422),
        ("PUT", "/shop/orders/F1", "[]", 422),
        ("PUT", "/shop/orders/F1", "", 422),
        ("PUT", "/shop/orders/%20", "{}", 404),
        ("GET", "/shop/orders/-x", "", 404),
        ("POST", "/shop/orders", '{"orders": 1}', 422),
        ("POST", "/shop/orders", '{"orders": [' + ",".join(["{}"] * 501) + "]}", 422),
        ("POST", "/shop/orders", '"' + "x" * 4_300_000 + '"', 413),
        ("GET", "/shop/orders?limit=0", "", 422),
        ("GET", "/shop/orders?limit=501", "", 422),
        ("GET", "/shop/orders?limit=x", "", 422),
        ("GET", "/shop/orders?status=lost", "", 422),
        ("GET", "/shop/orders?limit=1&limit=2", "", 422),
        ("GET", "/shop/orders?colour=red", "", 422),
        ("PUT", "/shop/maintenance", '{"for_s": 0, "why": "x"}', 422),
        ("PUT", "/shop/maintenance", '{"for_s": 601, "why": "x"}', 422),
        ("PUT", "/shop/maintenance", '{"for_s": NaN, "why": "x"}', 422),
        ("PUT", "/shop/maintenance", '{"for_s": 5, "why": " "}', 422),
        ("PUT", "/shop/maintenance", '{"for_s": 5}', 422),
        ("PATCH", "/shop/orders", "", 405),
        ("GET", "/shop/nothing", "", 404),
    ],
)
def test_wrong_requests_are_refused(method: str, path: str, body: str, status: int) -> None:
    """A broken body, a wrong number, a wrong query: 4xx, before any database is asked."""

    async def story(http: httpx.AsyncClient) -> None:
        answer = await http.request(method, path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status
        if status == 422:
            assert len(answer.json()["error"].splitlines()) == 1

    asyncio.run(_without_database(story))


def test_without_its_database_the_shop_says_so() -> None:
    """503 with a time to come back."""

    async def story(http: httpx.AsyncClient) -> None:
        for answer in (await http.get("/shop/books"), await http.put("/shop/orders/F1", json=ORDER)):
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["error"].startswith("the shop has no database: ")

    asyncio.run(_without_database(story))


async def _without_database(story: Any) -> None:
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool("", open=False)
    transport = httpx.ASGITransport(Shop(pool, "", metrics=Metrics()).before(labs))
    async with httpx.AsyncClient(base_url="http://api.test", transport=transport) as http:
        await story(http)
