"""The commerce world with its outside in memory: an api that keeps orders, a queue of tickets, a hub that remembers."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from labsvc.worlds import NO_ANSWER, Answer, TicketDraft
from labsvc.worlds.commerce import Commerce, CommerceKind, catalogue, settings
from labsvc.worlds.commerce.catalogue import Catalogue
from labsvc.worlds.commerce.settings import Settings

NOW_S = 1_800_000_000.0  # 2027-01-15 08:00 UTC, a Friday
STATUSES = ("pending", "confirmed", "in_production", "shipped", "delivered", "cancelled")


class Wall:
    """A wall clock that is moved by hand."""

    def __init__(self) -> None:
        self.t_s = 1000.0

    def s(self) -> float:
        return self.t_s

    def ns(self) -> int:
        return round(self.t_s * 1e9)

    async def sleep(self, delay_s: float) -> None:
        """Time passes, and everybody else has a turn."""
        self.t_s += delay_s
        await asyncio.sleep(0)


@dataclass
class Shop:
    """What the api does with orders: what came first stays, a status never goes back."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: dict[str, list[str]] = field(default_factory=dict)  # number → statuses as they were told

    def put(self, number: str, body: Mapping[str, Any]) -> None:
        known = self.orders.setdefault(number, dict(body))
        self.history.setdefault(number, []).append(body["status"])
        known["status"] = max(known["status"], body["status"], key=STATUSES.index)

    def books(self) -> dict[str, Any]:
        orders = self.orders.values()
        return {
            "orders": len(orders),
            "by_status": dict(sorted(Counter(o["status"] for o in orders).items())),
            "by_region": dict(sorted(Counter(o["customer"]["region"] for o in orders).items())),
            "amount_cents": sum(o["amount_cents"] for o in orders),
        }


Answering = Callable[[str, str, Any], Answer | None]


@dataclass
class MemoryOutlet:
    """Implements `worlds.Outlet`. `answering` may answer a call instead of the shop."""

    people: int | None = None
    wanted: int = 0
    shop: Shop = field(default_factory=Shop)
    answering: Answering = lambda method, path, body: None
    events: list[tuple[str, Mapping[str, Any], Any]] = field(default_factory=list)
    tickets: dict[str, TicketDraft] = field(default_factory=dict)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    counted: str = "/"  # paths whose calls in flight are counted
    in_flight: int = 0
    most_in_flight: int = 0
    wants_keeping: bool = False

    def emit(self, stream: str, data: Mapping[str, Any], *, cause: Any = None, **more: Any) -> None:
        self.events.append((stream, data, cause))

    def tickets_wanted(self) -> int:
        return self.wanted

    def open_ticket(self, draft: TicketDraft) -> bool:
        if self.people is None:
            return False
        self.tickets[draft.key] = draft
        return True

    def active_people(self) -> int | None:
        return self.people

    def keep_soon(self) -> None:
        self.wants_keeping = True

    async def call(self, role: str, method: str, path: str, *, body: Any = None, timeout_s: float) -> Answer:
        self.calls.append((role, method, path))
        counted = path.startswith(self.counted)
        self.in_flight += counted
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            return self.answering(method, path, body) or self.answer(method, path, body)
        finally:
            self.in_flight -= counted

    def answer(self, method: str, path: str, body: Any) -> Answer:
        """What a healthy api says."""
        if (method, path) == ("DELETE", "/shop/orders"):
            self.shop.orders.clear()
        elif path == "/shop/orders":
            for each in body["orders"]:
                self.shop.put(each["number"], each)
        elif path.startswith("/shop/orders/"):
            self.shop.put(path.rsplit("/", 1)[-1], body)
        elif path.startswith("/quotes/"):
            return Answer(200, {"price_ref": f"ref of {path}"})
        return Answer(200, {})

    def of(self, stream: str) -> list[Mapping[str, Any]]:
        """The data of every event of a stream."""
        return [data for name, data, _ in self.events if name == stream]


NOTHING = Answer(NO_ANSWER, {"error": "timeout"})


@cache
def numbers(history_days: int) -> Settings:
    """The settings, with another past."""
    found = settings.read()
    return found.model_copy(update={"business": found.business.model_copy(update={"history_days": history_days})})


@cache
def book() -> Catalogue:
    """The catalogue, read once."""
    return catalogue.read()


def opened(
    outlet: MemoryOutlet, wall: Wall, *, history_days: int = 120, seed: int = 1, saved: str | None = None
) -> Commerce:
    """The world, new or restored."""
    kind = CommerceKind(now_s=lambda: NOW_S, wall_ns=wall.ns, read=lambda: numbers(history_days), read_catalogue=book)
    return kind.open(outlet, seed=seed, saved=saved)


def keep(world: Commerce) -> str:
    """What the host does every few seconds."""
    saved = world.saved()
    world.kept()
    return saved
