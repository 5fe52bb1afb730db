"""A check of step 2 in seconds: no stack, no database, virtual time. Its failures are hints.

`make check LAB=tx` runs it. Customers order homes in a shop like that of service.py, on a database in memory that has a
pool of ten, transactions and row locks; the payment service takes 160 ms, or fails in one way.
"""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from labsvc.deps import Reply
from labsvc.testing import (
    FakeConnection,
    FakeDatabase,
    FakeDependency,
    NoSql,
    Step,
    answer,
    drop,
    error,
    load_edit,
    run_virtual,
)

LAB = Path(__file__).resolve().parent
PAYMENT_MS = 160.0
PATIENCE_S = 0.8  # how long a customer waits when payments are quick
CROWD = 60
LIMIT_S = 30.0  # virtual: what is not over by then never ends


class FakeShop:
    """What the edit works with: the `Shop` of edit.py in memory. Order n is the row ("order", n), stock the row sku."""

    def __init__(self, edit: ModuleType, payment: FakeDependency, *, stock: dict[str, int]) -> None:
        self.db = FakeDatabase(pool_size=10)
        self.db.rows |= stock
        self.called_inside = False  # the payment service was called while a transaction was open
        self._edit = edit
        self._payment = payment.client()
        self._orders: dict[str, Any] = {}
        self._claimed: set[str] = set()
        self._work: list[asyncio.Task[None]] = []

    def transaction(self) -> Any:
        return self.db.connection()

    async def reserve(self, conn: FakeConnection, order: Any) -> bool:
        in_stock = await conn.lock(order.sku)
        if in_stock < 1:
            return False
        await conn.write(order.sku, in_stock - 1)
        await conn.write(("order", order.id), "pending")
        self._orders[order.id] = order
        return True

    async def pay(self, order: Any, *, key: str = "") -> dict[str, Any]:
        self.called_inside |= self.db.is_held_here()
        try:
            got = await self._payment.post(f"/payment/{order.id}", headers={"Idempotency-Key": key or order.id})
            got.raise_for_status()
        except httpx.HTTPError as raised:
            raise self._edit.NotPaid(str(raised)) from raised
        receipt: dict[str, Any] = got.json()
        return receipt

    async def settle(self, conn: FakeConnection, order: Any, receipt: dict[str, Any] | None) -> None:
        if await conn.lock(("order", order.id)) != "pending":
            return
        await conn.write(("order", order.id), "paid" if receipt else "failed")
        if not receipt:
            await conn.write(order.sku, await conn.lock(order.sku) + 1)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        self._work.append(asyncio.ensure_future(work))

    async def claim(self, conn: FakeConnection) -> Any:
        due = [id_ for id_ in self._orders if self.status(id_) == "pending" and id_ not in self._claimed]
        self._claimed.update(due[:1])
        return self._orders[due[0]] if due else None

    def status(self, order_id: str) -> str | None:
        """How an order stands for everybody; None: there is no such order."""
        status: str | None = self.db.rows.get(("order", order_id))
        return status

    async def worked_off(self) -> None:
        """Wait for the work that was started for later; what it raises is its own affair."""
        for ended in await asyncio.gather(*self._work, return_exceptions=True):
            if isinstance(ended, NoSql):
                raise ended


@dataclass
class Sale:
    """What became of one order."""

    id: str
    sku: str
    reply: Reply
    took_s: float
    at_answer: str | None  # how the order stood when the customer was answered
    payments: int  # taken for it in the end
    in_the_end: str | None = None


@dataclass
class Day:
    """What became of all orders of a check."""

    shop: FakeShop
    sales: list[Sale] = field(default_factory=list)

    def in_stock(self, sku: str) -> int:
        left: int = self.shop.db.rows[sku]
        return left


def trade(*steps: Step, skus: list[str], stock: int = 100) -> Day:
    """One customer a sku, all at once; returns when every order and all later work has ended."""
    edit = load_edit(LAB)
    payment = FakeDependency(*steps)

    async def customer(day: Day, n: int, sku: str) -> Sale:
        order, begun_s = edit.Order(f"o-{n}", sku, 12_900_000), time.monotonic()
        try:
            reply = await edit.place(order, day.shop)
        except edit.NotPaid:
            reply = edit.unpaid()  # as service.py does
        except NoSql:
            raise
        except Exception as raised:
            reply = Reply(500, {"error": f"{type(raised).__name__}: {raised}"})
        taken = {s.answer["payment_ref"] for s in payment.seen if s.key == order.id and s.answer}
        return Sale(order.id, sku, reply, time.monotonic() - begun_s, day.shop.status(order.id), len(taken))

    async def day() -> Day:
        made = Day(FakeShop(edit, payment, stock=dict.fromkeys(skus, stock)))
        made.sales = list(await asyncio.gather(*(customer(made, n, sku) for n, sku in enumerate(skus))))
        await made.shop.worked_off()
        for sale in made.sales:
            sale.in_the_end = made.shop.status(sale.id)
            sale.payments = len({s.answer["payment_ref"] for s in payment.seen if s.key == sale.id and s.answer})
        return made

    try:
        return run_virtual(day(), limit_s=LIMIT_S)
    except TimeoutError:
        pytest.fail("an order never ends: what does it wait for, and who would let it go?")
    except NoSql as refused:
        pytest.skip(f"{refused}; make dev run LAB=tx shows it on a real database")


def test_an_order_is_paid() -> None:
    """The ordinary case: one order, one payment, one home less."""
    day = trade(answer(PAYMENT_MS), skus=["cedar-60"])
    sale = day.sales[0]
    assert sale.reply.status in (200, 202), f"the order was answered {sale.reply.status}: {dict(sale.reply.body)}"
    assert sale.in_the_end == "paid", f"in the end the order is {sale.in_the_end or 'nowhere'}: who settles it?"
    assert sale.payments == 1, f"the order is paid, and {sale.payments} payments were taken for it: it must be one"
    assert day.in_stock("cedar-60") == 99, f"100 homes, one sold, {day.in_stock('cedar-60')} left"


def test_the_customer_is_told_what_is_true() -> None:
    """Paid means paid now; accepted means stored now."""
    sale = trade(answer(PAYMENT_MS), skus=["cedar-60"]).sales[0]
    if sale.reply.status == 200:
        assert sale.at_answer == "paid", (
            f"the customer was told 200 while the order was {sale.at_answer or 'not stored'}: and if the payment fails?"
        )
        assert sale.took_s >= PAYMENT_MS / 1000, "the customer was told 200 before the payment was taken"
    else:
        assert sale.at_answer is not None, "the customer was told that the order is accepted, and it is stored nowhere"


def test_the_payment_is_taken_outside_of_any_transaction() -> None:
    """The heart of the lab."""
    day = trade(answer(PAYMENT_MS), skus=["cedar-60"])
    assert not day.shop.called_inside, (
        "the payment service was called while a transaction was open: as long as it thinks, one of ten connections and "
        "the lock on this home's row are held. What must the database know before the call, and what only after it?"
    )


@pytest.mark.parametrize(
    "skus", [["cedar-60"] * CROWD, [f"home-{n}" for n in range(CROWD)]], ids=["the_same_home", "a_home_each"]
)
def test_sixty_customers_at_once_want(skus: list[str]) -> None:
    """Neither the row nor the pool may hold people up."""
    day = trade(answer(PAYMENT_MS), skus=skus)
    slowest = max(day.sales, key=lambda sale: sale.took_s)
    assert slowest.took_s <= PATIENCE_S, (
        f"a payment takes {PAYMENT_MS / 1000:.2f} s, but one of {CROWD} customers waited {slowest.took_s:.1f} s: what "
        "were they all in line for?"
    )
    wrong = [sale for sale in day.sales if sale.reply.status not in (200, 202)]
    assert not wrong, (
        f"every customer had a home in stock, but one was answered {wrong[0].reply.status}: {dict(wrong[0].reply.body)}"
    )


@pytest.mark.parametrize(
    "spoilt", [error(402), error(503), drop()], ids=["declined", "refused_with_an_error", "cut_off"]
)
def test_nothing_is_left_behind_when_the_payment_is(spoilt: Step) -> None:
    """What the rollback did for us, somebody has to do now."""
    day = trade(spoilt, skus=["cedar-60"])
    sale = day.sales[0]
    assert sale.reply.status != 200, "no payment was taken, and the customer was told 200"
    assert sale.in_the_end != "pending", (
        "no payment was taken, and the order is still pending: the rollback used to undo it. Who does that now?"
    )
    assert sale.in_the_end != "paid", "no payment was taken, and the order is paid"
    assert day.in_stock("cedar-60") == 100, "no payment was taken, but a home is gone from the stock"


def test_a_sold_out_home_costs_nobody_money() -> None:
    """First the home, then the money."""
    day = trade(answer(PAYMENT_MS), skus=["aspen-80"], stock=0)
    sale = day.sales[0]
    assert sale.payments == 0, "the home was sold out, and the money was taken all the same: who gives it back?"
    assert sale.reply.status == 409, f"the home was sold out, and the customer was told {sale.reply.status}"


def test_no_home_is_sold_twice() -> None:
    """Ten want one of three."""
    day = trade(answer(PAYMENT_MS), skus=["aspen-80"] * 10, stock=3)
    sold = [sale for sale in day.sales if sale.in_the_end == "paid"]
    assert len(sold) == 3, f"there were 3 homes, and {len(sold)} were sold"
    assert day.in_stock("aspen-80") == 0, f"3 of 3 homes were sold, and {day.in_stock('aspen-80')} are still in stock"


def test_nobody_is_charged_twice() -> None:
    """A second try must not be a second payment."""
    for steps in ((answer(PAYMENT_MS),), (error(503), answer(PAYMENT_MS))):
        sale = trade(*steps, skus=["cedar-60"]).sales[0]
        assert sale.payments <= 1, f"{sale.payments} payments for one order: does every try use the same key?"
        assert sale.payments == int(sale.in_the_end == "paid"), (
            f"payments taken: {sale.payments}, and the order is {sale.in_the_end or 'nowhere'}"
        )
