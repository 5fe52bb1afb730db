"""What the api has yet to be told: the orders that are new or have gone on, and since when that may be said.

    book ──put──▶ changed ──staged by `saved`──▶ kept: may be told ──take──▶ in flight ──ack──▶ gone
                                                       ▲──────────nack──────────┘

An order is told only in a state that the world's own save has: whoever is killed and goes on from that save comes by
every state that was ever told. A number is in flight once at a time, so its states arrive in their order; states that
were passed while nobody could be told are not told one by one. Knows no HTTP.
"""

from collections.abc import Iterable, Mapping

from labsvc.worlds.commerce.orders import Order


class Outbox:
    """`price_refs`: number → the price that the customer was told, where one was."""

    def __init__(self, *, limit: int) -> None:
        self.limit = limit
        self.price_refs: dict[str, str] = {}
        self._changed: dict[str, Order] = {}  # everything that is not told yet, the newest state
        self._staged: dict[str, Order] = {}
        self._kept: dict[str, Order] = {}  # what may be told
        self._in_flight: dict[str, Order] = {}
        self._due_s: dict[str, float] = {}

    def __contains__(self, number: str) -> bool:
        return number in self._changed

    def __len__(self) -> int:
        return len(self._changed)

    @property
    def is_full(self) -> bool:
        return len(self._changed) > self.limit

    @property
    def wants_keeping(self) -> bool:
        """Whether something may not be told yet because it was not kept."""
        return any(self._kept.get(number) is not order for number, order in self._changed.items())

    def put(self, order: Order) -> None:
        self._changed[order.number] = order

    def waiting(self) -> list[str]:
        """The numbers that a save must hold."""
        return list(self._changed)

    def stage(self) -> None:
        """What a save that is being made will have."""
        self._staged = dict(self._changed)

    def kept(self) -> None:
        """The save was stored."""
        self._kept.update(self._staged)
        self._staged = {}

    def restore(self, numbers: Iterable[str], orders: Mapping[str, Order]) -> None:
        """Go on from a save."""
        self._changed = {number: orders[number] for number in numbers}
        self._kept = dict(self._changed)

    def ready(self, now_s: float) -> int:
        """How many may be told now."""
        return sum(self._is_ready(number, now_s) for number in self._kept)

    def take(self, most: int, now_s: float) -> list[Order]:
        """The next orders to tell, the longest waiting first."""
        found: list[Order] = []
        for number, order in self._kept.items():
            if len(found) == most:
                break
            if self._is_ready(number, now_s):
                found.append(order)
        self._in_flight.update((order.number, order) for order in found)
        return found

    def ack(self, told: Iterable[Order]) -> None:
        """These were taken in."""
        for order in told:
            number = order.number
            self._in_flight.pop(number, None)
            self._due_s.pop(number, None)
            if self._kept.get(number) is order:
                del self._kept[number]
            if self._changed.get(number) is order:
                del self._changed[number]
                self.price_refs.pop(number, None)

    def nack(self, told: Iterable[Order], *, due_s: float) -> None:
        """These were not; try again, not before `due_s`."""
        for order in told:
            self._in_flight.pop(order.number, None)
            self._due_s[order.number] = due_s

    def _is_ready(self, number: str, now_s: float) -> bool:
        return number not in self._in_flight and self._due_s.get(number, now_s) <= now_s
