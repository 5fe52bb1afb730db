"""Step 2: a transaction that waits for somebody else. This is the only file to change.

A customer orders a modular home: one of the stock is reserved, the payment is taken, the order is settled. Change what
stands between the two markers, and nothing else. `Shop` says what you have; its SQL stands in service.py beside it.
"""

from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import AsyncConnection

from labsvc.deps import Reply


@dataclass(frozen=True)
class Order:
    """One customer's order of one home."""

    id: str
    sku: str
    amount_cents: int


class NotPaid(Exception):
    """The payment was not taken: declined, or the payment service is not well. The caller is told so with 402."""


async def place(order: Order, shop: "Shop") -> Reply:
    """Sell one home: reserve it, take the payment, settle the order."""

    # LAB: STEP2 TODO: a connection and the row's lock are held while another company thinks. Do not call in here.
    async with shop.transaction() as conn:
        if not await shop.reserve(conn, order):
            return sold_out()
        receipt = await shop.pay(order)
        await shop.settle(conn, order, receipt)
    return paid(receipt)
    # LAB: STEP2 END


class Shop(Protocol):
    """What service.py gives you."""

    db: Any  # the pool of ten connections, a psycopg_pool.AsyncConnectionPool

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection[Any]]:
        """A connection of the pool. Commits at the end of the block; an exception rolls everything back."""

    async def reserve(self, conn: AsyncConnection[Any], order: Order) -> bool:
        """Write the order as `pending`, take one home off the stock. Locks the product's row until the commit.

        False: sold out, and nothing was written.
        """

    async def pay(self, order: Order, *, key: str = "") -> dict[str, Any]:
        """Take the money: a call to another company, 140 ms and more. Returns the receipt, raises NotPaid.

        The same `key` (the order's id, if you give none) never pays twice.
        """

    async def settle(self, conn: AsyncConnection[Any], order: Order, receipt: dict[str, Any] | None) -> None:
        """Make a pending order `paid`. Without a receipt make it `failed`, and put its home back into the stock."""

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Start some work and do not wait for it. It is gone when the process ends."""

    async def claim(self, conn: AsyncConnection[Any]) -> Order | None:
        """The oldest pending order that nobody works on, yours for ten seconds from now. None: there is none."""


def paid(receipt: dict[str, Any]) -> Reply:
    """The order is paid."""
    return Reply(200, {"status": "paid", "payment_ref": receipt["payment_ref"]})


def accepted() -> Reply:
    """The order is stored, it will be paid for or fail soon: the customer asks again at GET /orders/{id}."""
    return Reply(202, {"status": "pending"})


def sold_out() -> Reply:
    """None is left."""
    return Reply(409, {"status": "sold-out"})


def unpaid() -> Reply:
    """The payment was not taken and the order is off."""
    return Reply(402, {"status": "failed"})
