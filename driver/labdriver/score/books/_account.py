"""Orders on one side, payments on the other: what the database recorded beside what the payment service recorded.

    record.books (products, orders) ┐
    record.calls (the ledger)       ┴─▶ open_account() ─▶ Account ─▶ books/orders.py, rules payments, stock, settled

Warm-up orders are in it too: money taken in the warm-up is money taken. Judges nothing.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from labdriver.record import Call, Record, Row
from labdriver.score.books import _ledger

REFERENCE = "payment_ref"


@dataclass(frozen=True, slots=True)
class Order:
    """One order as the database has it."""

    id: str
    sku: str
    amount_cents: int
    status: str  # pending, paid, failed
    payment_ref: str | None


@dataclass(frozen=True, slots=True)
class Product:
    """One product as the database has it."""

    sku: str
    stocked: int  # at first
    in_stock: int  # now
    price_cents: int


@dataclass(frozen=True)
class Account:
    """Both sides of one run."""

    orders: dict[str, Order]  # by id, in the order in which they were placed
    products: dict[str, Product]
    payments: dict[str, tuple[Call, ...]]  # order id → payments really taken, each once
    outcomes: dict[str, frozenset[str]]  # order id → how the calls about it ended
    rows: dict[str, Row]  # order id → the request that was told of it

    def taken(self, order_id: str) -> tuple[Call, ...]:
        return self.payments.get(order_id, ())

    def kept(self, sku: str) -> list[Order]:
        """Orders that hold a home: reserved or sold."""
        return [order for order in self.orders.values() if order.sku == sku and order.status in ("pending", "paid")]

    def given_back(self, sku: str) -> int:
        """Orders that have put their home back."""
        return sum(order.sku == sku and order.status == "failed" for order in self.orders.values())

    @cached_property
    def homeless(self) -> dict[str, str]:
        """Orders that hold a home which is not there, by id, with the reason: the last ones of each product.

        More orders than homes, or homes sold that never left the stock.
        """
        found: dict[str, str] = {}
        for product in self.products.values():
            kept = self.kept(product.sku)
            left = product.stocked - product.in_stock
            over, twice = len(kept) - product.stocked, len(kept) - left
            why = (
                f"{len(kept)} of {product.stocked} homes {product.sku} were sold"
                if over >= twice
                else f"{len(kept)} homes {product.sku} were sold, but only {left} left the stock"
            )
            found |= {order.id: why for order in kept[len(kept) - max(0, over, twice) :]}
        return found


def open_account(record: Record, *, operation: str) -> Account | None:
    """Both sides of a record; None when the database could not be read."""
    if "orders" not in record.books or "products" not in record.books:
        return None
    calls = [call for call in record.calls if call.operation == operation]
    outcomes: defaultdict[str, set[str]] = defaultdict(set)
    for call in calls:
        outcomes[call.key].add(call.outcome)
    return Account(
        orders={raw["id"]: Order(**raw) for raw in record.books["orders"]},
        products={raw["sku"]: Product(**raw) for raw in record.books["products"]},
        payments=_payments(calls, operation=operation),
        outcomes={order_id: frozenset(seen) for order_id, seen in outcomes.items()},
        rows={order_id: row for row in record.rows if (order_id := told_of(row))},
    )


def _payments(calls: Iterable[Call], *, operation: str) -> dict[str, tuple[Call, ...]]:
    """A payment that is told again (same reference) is one payment, as it was told first."""
    first: dict[str, Call] = {}
    for call in calls:
        for reference in _ledger.by_reference([call], operation=operation, reference=REFERENCE):
            first.setdefault(reference, call)
    taken: defaultdict[str, list[Call]] = defaultdict(list)
    for call in first.values():
        taken[call.key].append(call)
    return {order_id: tuple(made) for order_id, made in taken.items()}


def told_of(row: Row) -> str:
    """Id of the order that an answer names; empty when it names none."""
    named = (row.body or {}).get("order")
    return named if isinstance(named, str) else ""
