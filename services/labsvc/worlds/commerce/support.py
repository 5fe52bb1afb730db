"""Tickets: opened by the business, worked off by the staff, or by participants while a session runs.

    complaint, claim, drip, asked, critical ──open──┬─ session ──▶ room: waits for participants ──close──┐
                                                    └─ else ─────▶ staff: a station ──served, reneged────┴─▶ ended

opened = resolved + escalated + open holds at every instant. Knows orders and the catalogue; what a session is, it does
not know: it is told whether the room is open.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from labsvc.sim.entity import Entity, Origin, child, entity
from labsvc.sim.instant import DAY_US, us
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.odds import Odds
from labsvc.sim.queueing import Station
from labsvc.sim.shifts import follow
from labsvc.sim.value import Value
from labsvc.sim.visit import Visit, visit
from labsvc.worlds import TicketDraft
from labsvc.worlds.commerce.catalogue import Catalogue, Scenario, TicketKind, WarrantyScenario, evenly, filled, seconds
from labsvc.worlds.commerce.orders import Book, Order
from labsvc.worlds.commerce.settings import Settings

Ending = Literal["resolved", "escalated"]
URGENCY = {"critical": 0, "high": 1, "medium": 2, "low": 3}
RECENT_EACH = 40  # newest orders of each status that trouble may be about


@dataclass(frozen=True, slots=True)
class Ticket:
    """An open ticket."""

    draft: TicketDraft
    region: str
    about: Entity

    def told(self) -> dict[str, Any]:
        """The data of its events."""
        draft = self.draft
        return {
            "key": draft.key,
            "kind": draft.kind,
            "subject": draft.subject,
            "priority": draft.priority,
            "category": draft.category,
            "region": self.region,
            "orderNumber": draft.order_number,
        }


class Support:
    """All tickets of a run."""

    def __init__(
        self, kernel: Kernel, modifiers: Modifiers, book: Book, catalogue: Catalogue, settings: Settings
    ) -> None:
        numbers, self._rules = settings.business, settings.business_simulator.warranty_department
        self._kernel = kernel
        self._book = book
        self._catalogue = catalogue
        self._takes = numbers.staff_takes
        self.room_is_open = False
        self.opened = self.resolved = self.escalated = 0
        self.room: dict[str, Ticket] = {}  # open and with participants, the oldest first
        self.desk: dict[str, Ticket] = {}  # open and with the staff
        self.staff = Station(kernel, "support.staff", 0)
        on_duty = Value(kernel, modifiers, "support.staff", 0)
        on_duty.watch(lambda: self.staff.staff(round(on_duty.present())))
        follow(kernel, on_duty, numbers.staff)
        share = numbers.staff_escalates
        self._ends = Odds(kernel, modifiers, "support.ends", {"escalated": share, "resolved": 1 - share})

    @property
    def open(self) -> int:
        return len(self.room) + len(self.desk)

    def by_priority(self) -> dict[str, int]:
        """How many are open of each priority."""
        return dict(Counter(ticket.draft.priority for ticket in (*self.room.values(), *self.desk.values())))

    def complaint(self, about: Entity, order: Order, *, critical: bool = False) -> dict[str, Any] | None:
        """Open a ticket of customer service about an order; None when nobody complains about one that stands there."""
        choice = self._catalogue.complaints(order.status, critical=critical)
        if choice is None:
            return None
        scenario = choice.at(self._draw(about, "scenario"))
        return self._open(about, "service", scenario, order, target_s=seconds(scenario.response_target), cost=None)

    def claim(self, about: Entity, order: Order) -> dict[str, Any]:
        """Open a ticket of the warranty department about an order that was delivered long enough ago."""
        scenario = self._catalogue.claims.at(self._draw(about, "scenario"))
        target = scenario.response_target
        target_s = seconds(target) if target else self._rules.response_time_target_hours * 3600
        return self._open(about, "warranty", scenario, order, target_s=target_s, cost=scenario.estimated_cost * 100)

    def any(self, about: Entity) -> dict[str, Any] | None:
        """Open a ticket about whatever order fits; None when no order does."""
        warranty = self._rules.enabled and self._draw(about, "kind") < self._rules.share_of_queue
        if warranty and (order := self._old_enough(about)):
            return self.claim(about, order)
        return self.trouble(about)

    def trouble(self, about: Entity, *, critical: bool = False) -> dict[str, Any] | None:
        """Open a ticket of customer service about one of the newest orders."""
        stages = ("shipped", "delivered") if critical else ("confirmed", "in_production", "shipped", "delivered")
        found = [order for stage in stages for order in self._book.recent(stage)[-RECENT_EACH:]]
        return self.complaint(about, evenly(found, self._draw(about, "order")), critical=critical) if found else None

    def close(self, key: str, how: Ending) -> bool:
        """A participant ended a ticket; False when it is not in the room (any more)."""
        ticket = self.room.pop(key, None)
        if ticket is None:
            return False
        self._ended(ticket, how)
        return True

    def open_room(self, is_open: bool) -> None:
        """Tickets go to participants from now on, or to the staff, who take over what is left in the room."""
        self.room_is_open = is_open
        if not is_open:
            left, self.room = list(self.room.values()), {}
            for ticket in left:
                self._admit(ticket)

    def _old_enough(self, about: Entity) -> Order | None:
        now_us, rules = self._kernel.now_us, self._rules
        found = self._book.delivered(
            now_us - rules.max_days_since_delivery * DAY_US, now_us - rules.min_days_since_delivery * DAY_US
        )
        return found.at(self._draw(about, "order")) if len(found) else None

    def _open(
        self, about: Entity, kind: TicketKind, scenario: Scenario, order: Order, *, target_s: float, cost: int | None
    ) -> dict[str, Any]:
        self.opened += 1
        description = filled(scenario.description, {"product": order.product, "city": order.city})
        if isinstance(scenario, WarrantyScenario):
            description += f"\n\nWhat the warranty promises: {scenario.required_resolution}."
        draft = TicketDraft(
            key=f"T-{100_000 + self.opened}",
            kind=kind,
            subject=scenario.subject,
            description=description,
            priority=scenario.priority,
            category=scenario.category,
            response_target_s=target_s,
            tags=scenario.tags,
            needs_escalation=scenario.needs_escalation,
            cost_cents=cost,
            order_number=order.number,
        )
        ticket = Ticket(draft, order.region, about)
        if self.room_is_open:
            self.room[draft.key] = ticket
        else:
            self._admit(ticket)
        return ticket.told()

    def _admit(self, ticket: Ticket) -> None:
        key = ticket.draft.key
        self.desk[key] = ticket
        self.staff.admit(
            visit(entity(Origin(f"staff/{key}", ticket.about.cause, ticket.about.id))),
            self._takes.at(self._kernel.streams.draw(key, "staff takes")),
            patience_us=us(self._rules.escalation_threshold_hours * 3600),
            priority=URGENCY[ticket.draft.priority],
            then=lambda left: self._left(key, left),
        )

    def _left(self, key: str, left: Visit) -> None:
        ticket = self.desk.pop(key)
        how: Ending = "escalated"
        if left.outcome == "served" and not ticket.draft.needs_escalation:
            how = "escalated" if self._ends.choose(ticket.about, key)[0] == "escalated" else "resolved"
        self._ended(ticket, how)

    def _ended(self, ticket: Ticket, how: Ending) -> None:
        if how == "resolved":
            self.resolved += 1
        else:
            self.escalated += 1
        self._kernel.emit(f"support.{how}", child(ticket.about, f"{ticket.draft.key}/{how}"), ticket.told())

    def _draw(self, about: Entity, purpose: str) -> float:
        return self._kernel.streams.draw(about.id, f"ticket/{purpose}")
