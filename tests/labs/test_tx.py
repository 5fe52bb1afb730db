"""The tx lab's own code: its check on every fix, and its given code on a real Postgres."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from psycopg_pool import AsyncConnectionPool

from labdriver import check, lab
from labdriver.lab import Lab
from labsvc import labcode, traffic
from labsvc.deps import Deps, Reply, Request
from labsvc.testing import FakeDependency, answer, drop, error, fake_deps

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = ROOT / "solutions" / "tx"
RIGHT = ["edit", *(f"right/{path.stem}" for path in sorted((SOLUTIONS / "right").glob("*.py")))]
PATIENT_S = 60.0  # only a machine on which nobody gets a turn needs all of it
NEEDS_A_DATABASE = {"wrong/no_row_lock"}  # runs SQL of its own


@pytest.fixture
def tx(tmp_path: Path) -> Lab:
    """A copy of the lab whose edit a test may replace."""
    folder = tmp_path / "labs" / "tx"
    shutil.copytree(ROOT / "labs" / "tx", folder)
    return replace(lab.load(ROOT / "labs", "tx"), folder=folder)


@pytest.mark.parametrize("name", ["edit", "right/outbox"])
def test_right_fixes_get_no_hint(tx: Lab, name: str) -> None:
    """The check asks for behaviour, not for one way to write it."""
    shutil.copyfile(SOLUTIONS / f"{name}.py", tx.edit_file)
    findings = check.check(tx)
    assert [f.hint or f.skipped for f in findings if f.hint or f.skipped] == []


@pytest.mark.parametrize("name", ["starter", "wrong/left_pending", "wrong/no_row_lock"])
def test_wrong_fixes_get_a_hint_that_is_not_the_answer(tx: Lab, name: str) -> None:
    """What cannot be tried without a database says so instead."""
    shutil.copyfile(SOLUTIONS / f"{name}.py", tx.edit_file)
    findings = check.check(tx)
    hints = [f.hint for f in findings if f.hint]
    assert not any("async with" in hint or "settle(" in hint for hint in hints)
    if name in NEEDS_A_DATABASE:
        assert all("runs no SQL" in f.skipped for f in findings)
    else:
        assert hints


async def _until(condition: Callable[[], bool], *, deadline_s: float = PATIENT_S) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110  # a pool tells nobody when somebody waits
            await asyncio.sleep(0.02)


@dataclass
class Api:
    """The lab's routes on a real database, with a payment service in memory."""

    deps: Deps
    payment: FakeDependency
    handlers: dict[tuple[str, str], Callable[[Request], Awaitable[Reply]]]

    async def order(self, sku: str = "cedar-60") -> Reply:
        return await self.handlers["POST", "/orders"](Request("POST", "/orders", query={"sku": sku}))

    async def prepare(self) -> Reply:
        return await self.handlers["POST", "/orders/prepare"](Request("POST", "/orders/prepare"))

    async def books(self) -> Any:
        return (await self.handlers["GET", "/orders/books"](Request("GET", "/orders/books"))).body

    async def status(self, order_id: str) -> Reply:
        request = Request("GET", f"/orders/{order_id}", params={"id": order_id})
        return await self.handlers["GET", "/orders/{id}"](request)


@asynccontextmanager
async def opened(url: str, *steps: Any, variant: str = "edit") -> AsyncIterator[Api]:
    """The lab with one of its fixes, its tables in their first state."""
    payment = FakeDependency(*steps or (answer(after_ms=20),))
    async with AsyncConnectionPool(url, min_size=1, max_size=10, open=False) as pool:
        deps = fake_deps(payment, db=pool)
        edit, service = _loaded(SOLUTIONS / f"{variant}.py"), _loaded(ROOT / "labs" / "tx" / "service.py")
        for limit in ("SETTLE_LIMIT_S", "END_LIMIT_S", "CALM_LIMIT_S"):
            setattr(service, limit, PATIENT_S)
        await service.start(deps, edit)
        api = Api(deps, payment, {(r.method, r.path): r.handler for r in service.routes(deps, edit)})
        assert (await api.prepare()).status == 200
        yield api


def _loaded(path: Path) -> ModuleType:
    return labcode.load(path, path.read_bytes())


def test_order_is_paid_and_stands_in_the_books(database_url: str) -> None:
    """Answer, order, payment and stock tell the same story."""

    async def story() -> None:
        async with opened(database_url) as api:
            reply = await api.order("aspen-80")
            assert reply.status == 200
            books = await api.books()
            assert [(o["id"], o["sku"], o["status"], o["payment_ref"]) for o in books["orders"]] == [
                (reply.body["order"], "aspen-80", "paid", reply.body["payment_ref"])
            ]
            home = next(p for p in books["products"] if p["sku"] == "aspen-80")
            assert home["stocked"] - home["in_stock"] == 1
            assert (await api.status(reply.body["order"])).body == {"sku": "aspen-80", "status": "paid"}
            assert (await api.status("o-nobody")).status == 404
            assert (await api.order("castle-1")).status == 404

    asyncio.run(story())


@pytest.mark.parametrize("spoilt", [error(402), error(503), drop()], ids=["declined", "error", "cut_off"])
@pytest.mark.parametrize("variant", [*RIGHT, "starter"])
def test_home_comes_back_when_the_payment_fails(database_url: str, variant: str, spoilt: Any) -> None:
    """Given back by hand or by the rollback, the stock is whole and nothing is pending."""

    async def story() -> None:
        async with opened(database_url, spoilt, variant=variant) as api:
            reply = await api.order()
            assert reply.status == (202 if variant == "right/outbox" else 402)
            books = await api.books()
            assert {order["status"] for order in books["orders"]} <= {"failed"}
            assert all(product["stocked"] == product["in_stock"] for product in books["products"])

    asyncio.run(story())


@pytest.mark.parametrize("variant", [*RIGHT, "starter"])
def test_rare_home_is_sold_as_often_as_it_is_there(database_url: str, variant: str) -> None:
    """Thirty want one of fifteen, all at once: fifteen get it, whichever fix is in service."""

    async def story() -> None:
        async with opened(database_url, answer(after_ms=5), variant=variant) as api:
            replies = await asyncio.gather(*(api.order("aspen-80") for _ in range(30)))
            assert sorted(reply.status for reply in replies)[15:] == [409] * 15
            books = await api.books()
            assert [order["status"] for order in books["orders"]] == ["paid"] * 15
            assert next(p["in_stock"] for p in books["products"] if p["sku"] == "aspen-80") == 0

    asyncio.run(story())


def test_prepare_ends_what_a_run_before_has_left(database_url: str) -> None:
    """Orders that still wait for their payment are cancelled, leaked locks are taken away, the tables start anew."""

    async def story() -> None:
        async with opened(database_url, answer(after_ms=60_000), variant="starter") as api:
            waiting = [asyncio.ensure_future(api.order()) for _ in range(12)]
            leaked = await api.deps.db.getconn()
            await leaked.execute("SELECT * FROM tx.orders FOR UPDATE")
            await _until(lambda: bool(api.payment.seen))
            assert (await api.prepare()).status == 200
            assert all(task.done() for task in waiting)
            await api.deps.db.putconn(leaked)
            books = await api.books()
            assert books["orders"] == []
            assert all(product["stocked"] == product["in_stock"] for product in books["products"])

    asyncio.run(story())


def test_books_answer_while_the_pool_is_used_up(database_url: str) -> None:
    """What the score is made of never stands in line behind the participant's own queue."""

    async def story() -> None:
        async with opened(database_url, answer(after_ms=60_000), variant="starter") as api:
            waiting = [asyncio.ensure_future(api.order()) for _ in range(20)]
            await _until(lambda: api.deps.db.get_stats().get("requests_waiting", 0) > 0)
            async with asyncio.timeout(PATIENT_S):
                assert (await api.books())["orders"] == []
                assert (await api.prepare()).status == 200
            await asyncio.wait(waiting)

    asyncio.run(story())


def test_outbox_is_worked_off_after_the_answer_and_before_the_books(database_url: str) -> None:
    """Accepted at once; the books wait for what is pending."""

    async def story() -> None:
        async with opened(database_url, answer(after_ms=200), variant="right/outbox") as api:
            replies = await asyncio.gather(*(api.order() for _ in range(5)))
            assert {reply.status for reply in replies} == {202}
            assert [order["status"] for order in (await api.books())["orders"]] == ["paid"] * 5
            assert len({call.key for call in api.payment.seen}) == 5

    asyncio.run(story())


MARK = {"x-lab-traffic": "background"}


async def _background(api: Api, sku: str) -> Reply:
    return await api.handlers["POST", "/orders"](Request("POST", "/orders", query={"sku": sku}, headers=MARK))


@pytest.mark.parametrize("variant", [*RIGHT, "starter"])
def test_orders_of_the_live_business_change_no_books(database_url: str, variant: str) -> None:
    """Between them the load sells every rare home, and products and orders are what they would be without."""

    async def story() -> None:
        async with opened(database_url, answer(after_ms=5), variant=variant) as api:
            both = [api.order("aspen-80") if n % 2 else _background(api, "aspen-80") for n in range(30)]
            replies = await asyncio.gather(*both)
            assert {reply.status for reply in replies[1::2]} == {202 if variant == "right/outbox" else 200}
            books = await api.books()
            assert sorted(o["id"] for o in books["orders"]) == sorted(r.body["order"] for r in replies[1::2])
            assert {o["status"] for o in books["orders"]} == {"paid"}
            home = next(p for p in books["products"] if p["sku"] == "aspen-80")
            assert (home["stocked"], home["in_stock"]) == (15, 0)
            named = [reply.body["order"] for reply in replies[::2]]
            assert all(order_id.startswith("b-") for order_id in named)
            known = await asyncio.gather(*(api.status(order_id) for order_id in named))
            assert {reply.status for reply in known} <= {200, 404}  # 404: it came when all were sold
            assert (await api.prepare()).status == 200

    asyncio.run(story())


@pytest.mark.parametrize("variant", [*RIGHT, "starter"])
def test_declined_orders_of_the_live_business_give_nothing_back(database_url: str, variant: str) -> None:
    """What was never taken does not come back: the stock is whole."""

    async def story() -> None:
        async with opened(database_url, error(402), variant=variant) as api:
            await asyncio.gather(*(_background(api, "cedar-60") for _ in range(5)))
            await _until_settled(api)
            books = await api.books()
            assert books["orders"] == []
            assert all(product["stocked"] == product["in_stock"] for product in books["products"])

    asyncio.run(story())


async def _until_settled(api: Api) -> None:
    async with asyncio.timeout(PATIENT_S), api.deps.db.connection() as conn:
        while (await (await conn.execute("SELECT FROM tx.orders WHERE status = 'pending'")).fetchone()) is not None:
            await conn.commit()
            await asyncio.sleep(0.02)


def test_home_that_an_edit_took_by_itself_for_the_live_business_counts_as_in_stock(database_url: str) -> None:
    """SQL of an edit's own knows nothing of the mark; its orders are left out of the stock's sums."""

    async def story() -> None:
        async with opened(database_url, answer(after_ms=5), variant="wrong/no_row_lock") as api:
            await _background(api, "cedar-60")
            books = await api.books()
            home = next(p for p in books["products"] if p["sku"] == "cedar-60")
            assert (books["orders"], home["in_stock"]) == ([], home["stocked"])

    asyncio.run(story())


def test_payment_bears_the_mark_of_its_order(database_url: str) -> None:
    """Whoever works an order off, within whichever request: the ledger tells whose payment it was."""

    async def story() -> dict[str, bool]:
        marks: dict[str, bool] = {}
        async with opened(database_url, answer(after_ms=20), variant="right/outbox") as api:
            post = api.payment.handle_async_request

            async def noting(request: Any) -> Any:
                marks[request.url.path.rpartition("/")[2]] = traffic.is_background()
                return await post(request)

            api.payment.handle_async_request = noting  # type: ignore[method-assign]
            both = (_background(api, "cedar-60") if n % 2 else api.order() for n in range(12))
            await asyncio.gather(*both)
            await _until_settled(api)
        return marks

    marks = asyncio.run(story())
    assert len(marks) == 12
    assert all(is_background == order_id.startswith("b-") for order_id, is_background in marks.items())
