"""The orders of the business, and the book that counts them.

An order is a frozen record; every step replaces it in the book, and who listens is told. The book answers in constant
time what pages and tickets ask: how many stand where, which were delivered when. Knows no chance and no time.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from labsvc.sim.instant import DAY_US, iso
from labsvc.worlds.commerce.catalogue import Kind, Status

RECENT = 200  # orders of each status that a ticket may be about


@dataclass(frozen=True, slots=True)
class Part:
    """A component, as it was sold."""

    sku: str
    name: str
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Order:
    """One order as it stands. Instants are simulated microseconds."""

    number: str
    customer: str
    region: str
    city: str
    sku: str
    product: str
    kind: Kind
    parts: tuple[Part, ...]
    amount_cents: int
    status: Status
    placed_us: int
    delivered_us: int | None = None

    def body(self, *, price_ref: str | None) -> dict[str, Any]:
        """What the api is told."""
        return {
            "customer": {"name": self.customer, "region": self.region, "city": self.city},
            "sku": self.sku,
            "product": self.product,
            "kind": self.kind,
            "components": [{"sku": p.sku, "name": p.name, "amount_cents": p.amount_cents} for p in self.parts],
            "amount_cents": self.amount_cents,
            "price_ref": price_ref,
            "status": self.status,
            "placed_at": iso(self.placed_us),
            "delivered_at": None if self.delivered_us is None else iso(self.delivered_us),
        }


@dataclass
class Book:
    """All orders. `listen` is called with every order that is new or has gone on."""

    listeners: list[Callable[[Order], None]] = field(default_factory=list)
    orders: dict[str, Order] = field(default_factory=dict)
    by_status: Counter[str] = field(default_factory=Counter)
    by_region: Counter[str] = field(default_factory=Counter)
    amount_cents: int = 0
    customers: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # region → (name, city)
    _recent: dict[str, deque[str]] = field(default_factory=dict)
    _delivered_us: list[int] = field(default_factory=list)
    _delivered: list[str] = field(default_factory=list)
    _today: tuple[int, int, int] = (0, 0, 0)  # day, orders, amount

    def put(self, order: Order) -> None:
        """A new order, or the next state of one."""
        known = self.orders.get(order.number)
        if known is None:
            self.by_region[order.region] += 1
            self.amount_cents += order.amount_cents
            day, count, amount_cents = self._today
            same = order.placed_us // DAY_US == day
            self._today = (
                order.placed_us // DAY_US,
                (count if same else 0) + 1,
                (amount_cents if same else 0) + order.amount_cents,
            )
        else:
            self.by_status[known.status] -= 1
        self.orders[order.number] = order
        self.by_status[order.status] += 1
        self._recent.setdefault(order.status, deque(maxlen=RECENT)).append(order.number)
        if order.delivered_us is not None:
            self._delivered_us.append(order.delivered_us)
            self._delivered.append(order.number)
        for listener in self.listeners:
            listener(order)

    def next_number(self) -> str:
        return f"BW-{100_001 + len(self.orders)}"

    def recent(self, status: str) -> list[Order]:
        """The newest orders that stand there, the oldest of them first."""
        found = (self.orders[number] for number in self._recent.get(status, ()))
        return [order for order in found if order.status == status]

    def delivered(self, from_us: int, until_us: int) -> "Delivered":
        """The orders that were delivered from one instant up to and including another."""
        return Delivered(self, bisect_left(self._delivered_us, from_us), bisect_right(self._delivered_us, until_us))

    def today(self, now_us: int) -> tuple[int, int]:
        """(orders, amount in cents) of the simulated day."""
        day, count, amount_cents = self._today
        return (count, amount_cents) if day == now_us // DAY_US else (0, 0)

    def told(self) -> dict[str, Any]:
        """The books, in the form in which the api tells its own."""
        return {
            "orders": len(self.orders),
            "by_status": {name: n for name, n in sorted(self.by_status.items()) if n},
            "by_region": dict(sorted(self.by_region.items())),
            "amount_cents": self.amount_cents,
        }


@dataclass(frozen=True)
class Delivered:
    """A stretch of the list of deliveries."""

    book: Book
    first: int
    end: int

    def __len__(self) -> int:
        return max(0, self.end - self.first)

    def at(self, u: float) -> Order:
        """The order at a share of the stretch, which is not empty."""
        return self.book.orders[self.book._delivered[self.first + int(u * len(self))]]
