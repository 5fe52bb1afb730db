"""A tiny business for tests and for looking at the pages: orders at a rate, tickets as wanted, one rush."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from labsvc.errors import Misuse
from labsvc.worlds import Outlet, ScenarioCard, TicketDraft, World

SUBJECTS = (
    ("Delivery truck stuck in driveway", "high", "delivery", True),
    ("Dishwasher missing from the kitchen package", "medium", "delivery", False),
    ("How do we connect water and power?", "low", "general", False),
    ("Crack in the roof after the crane", "critical", "defect", True),
)

HOMES = (
    ("Fjord 92", "BW-HOME-092", ["Oak floor", "Heat pump"], 18_500_000),
    ("Granary with a very long name, two storeys and a workshop", "BW-HOME-140", ["Green roof"], 31_240_000),
    ("Kitchen package, large", "BW-KITCHEN-2", [], 1_890_000),
)
PLACES = (("Northeast", "Boston"), ("Midwest", "Chicago"), ("South", "Austin"), ("West", "Portland"))
CUSTOMERS = ("Ada Lind", "<b>Bo</b> & Sons", "Chidi Anagonye")
STATUSES = ("pending", "confirmed", "in_production", "shipped", "delivered")
VOICES = (
    (5, "Moved in on Friday, warm by Saturday."),
    (2, "The crane came <i>two days</i> late."),
    (4, "Good people."),
)
BEGAN = datetime(2025, 11, 21, 9, tzinfo=UTC)  # long ago: pages tell simulated time from ours


class FakeWorld:
    """Implements `worlds.World`."""

    def __init__(self, outlet: Outlet, *, seed: int, saved: str | None) -> None:
        self._outlet = outlet
        kept = json.loads(saved) if saved else {"orders": 0, "tickets": 0, "scenario": None, "pace": 1.0}
        self._orders, self._tickets = kept["orders"], kept["tickets"]
        self._scenario: str | None = kept["scenario"]
        self._pace = float(kept["pace"])
        self._passed_s = 0.0
        self._moving: list[list[Any]] = []  # order, region, index of its status
        self._amount_cents = self._lost = self._resolved = 0
        self._by_status = dict.fromkeys(STATUSES, 0)
        self._by_region = {region: 0 for region, _ in PLACES}
        self.closed: list[tuple[str, str]] = []
        self.stopped = asyncio.Event()

    def scenarios(self) -> Sequence[ScenarioCard]:
        return (
            ScenarioCard("rush-orders", "Rush", "Orders come five times as fast.", "3 minutes"),
            ScenarioCard("service-crisis", "Service crisis", "Several urgent tickets at once.", "5 minutes"),
            ScenarioCard("happy-customers", "Happy customers", "Praise and referrals.", "5 minutes"),
            ScenarioCard("system-maintenance", "System maintenance", "The shop answers 503 for a while.", "1 minute"),
        )

    def command(self, name: str, **arguments: Any) -> Mapping[str, Any]:
        if name == "trigger":
            if self._scenario:
                raise Misuse(f"{self._scenario} is active already; stop it first")
            self._scenario = arguments["scenario"]
            self._order(cause={"kind": "scenario", "id": self._scenario})
            return {"status": "active"}
        if name == "pace":
            self._pace = float(arguments["factor"])
        if name in ("stop", "reset"):
            self._scenario = None
        return {"pace": self._pace}

    def state(self) -> Mapping[str, Any]:
        sim_time = BEGAN + timedelta(seconds=self._passed_s)
        is_shut = self._scenario == "system-maintenance"
        scenario = {"id": self._scenario, "name": self._scenario, "status": "active"} if self._scenario else None
        return {
            "simTime": sim_time.isoformat().replace("+00:00", "Z"),
            "pace": self._pace,
            "mode": "normal",
            "scenario": scenario and {**scenario, "secondsLeft": 150, "progress": 0.4},
            "maintenance": {"until": (sim_time + timedelta(seconds=45)).isoformat()} if is_shut else None,
            "figures": self._figures(),
        }

    def _figures(self) -> Mapping[str, Any]:
        closed = self._resolved + len(self.closed)
        opened = max(self._tickets, closed)
        return {
            "orders": self._orders,
            "ordersToday": self._orders,
            "amountTodayCents": self._amount_cents,
            "byRegion": dict(self._by_region),
            "byStatus": dict(self._by_status),
            "tickets": {"opened": opened, "open": opened - closed, "resolved": closed, "escalated": 0},
            "visits": {"asked": self._orders + self._lost, "answered": self._orders, "lost": self._lost},
            "undelivered": sum(self._by_status.values()) - self._by_status["delivered"],
            "people": self._outlet.active_people(),
        }

    def saved(self) -> str:
        return json.dumps(
            {"orders": self._orders, "tickets": self._tickets, "scenario": self._scenario, "pace": self._pace}
        )

    def kept(self) -> None:
        return None

    def ticket_closed(self, key: str, how: str) -> None:
        self.closed.append((key, how))

    async def run(self) -> None:
        while True:
            wait_s = 0.2 if self._scenario == "rush-orders" else 1.0
            await asyncio.sleep(wait_s)
            if self._pace:
                self._passed_s += wait_s * self._pace
                self._turn()

    def _turn(self) -> None:
        """The newest order moves on and so does the one that waits longest, the next one comes or is lost: until the
        turn after this it is the newest, and pending. Now and then somebody says something."""
        self._move(-1)
        self._move(0)
        if self._scenario == "system-maintenance":
            self._lost += 1
            self._outlet.emit("visits.lost", {"reason": "503", "sku": HOMES[0][1]}, cause={"kind": "baseline"})
        else:
            self._order(cause={"kind": "baseline"})
        for _ in range(self._outlet.tickets_wanted()):
            self._ticket()
        if self._orders % 4 == 1:
            self._desk()
        if self._orders % 3 == 1:
            self._say()

    def _order(self, *, cause: Mapping[str, Any]) -> None:
        self._orders += 1
        product, sku, components, amount_cents = HOMES[self._orders % len(HOMES)]
        region, city = PLACES[self._orders * self._orders % 7 % len(PLACES)]
        order = {
            "orderNumber": f"BW-{self._orders}",
            "customer": CUSTOMERS[self._orders % len(CUSTOMERS)],
            "region": region,
            "city": city,
            "sku": sku,
            "product": product,
            "kind": "home",
            "components": components,
            "amountCents": amount_cents,
            "season": "autumn",
        }
        self._outlet.emit("orders.placed", order, cause=cause)
        self._amount_cents += amount_cents
        self._by_region[region] += 1
        self._by_status["pending"] += 1
        self._moving.append([f"BW-{self._orders}", region, 0])

    def _move(self, index: int) -> None:
        """One order gets its next status; 0 is the one that has not moved for the longest time."""
        if len(self._moving) < 3:
            return
        number, region, stage = self._moving.pop(index)
        self._by_status[STATUSES[stage]] -= 1
        self._by_status[STATUSES[stage + 1]] += 1
        status = {"orderNumber": number, "status": STATUSES[stage + 1], "region": region}
        self._outlet.emit("orders.status", status, cause={"kind": "baseline"})
        if stage + 2 < len(STATUSES):
            self._moving.append([number, region, stage + 1])

    def _desk(self) -> None:
        """A ticket of the shop's own, beside those of the workshop: opened, and the one before resolved."""
        subject, priority, category, _ = SUBJECTS[self._tickets % len(SUBJECTS)]
        told = {"kind": "service", "subject": subject, "priority": priority, "category": category, "region": "West"}
        cause = {"kind": "baseline"}
        if self._tickets > 3:
            self._resolved += 1
            self._outlet.emit("support.resolved", {**told, "key": f"S-{self._tickets - 3}"}, cause=cause)
        self._tickets += 1
        number = f"BW-{self._orders}"
        self._outlet.emit("support.opened", {**told, "key": f"S-{self._tickets}", "orderNumber": number}, cause=cause)

    def _say(self) -> None:
        stars, text = VOICES[self._orders % len(VOICES)]
        said = {"customer": CUSTOMERS[self._orders % len(CUSTOMERS)], "region": "South", "stars": stars, "text": text}
        self._outlet.emit("customers.feedback", said, cause={"kind": "baseline"})
        if self._orders % 2:
            self._outlet.emit(
                "news", {"title": "Steel gets <u>dearer</u>", "type": "market"}, cause={"kind": "external"}
            )

    def _ticket(self) -> None:
        self._tickets += 1
        subject, priority, category, needs_escalation = SUBJECTS[self._tickets % len(SUBJECTS)]
        self._outlet.open_ticket(
            TicketDraft(
                key=f"T-{self._tickets}",
                kind="service",
                subject=subject,
                description="The customer has called twice and would like to know what happens next.",
                priority=priority,  # type: ignore[arg-type]
                category=category,
                response_target_s=900,
                tags=("logistics", "urgent"),
                needs_escalation=needs_escalation,
                order_number=f"BW-{self._tickets}",
            )
        )


class FakeKind:
    """Implements `worlds.Kind`."""

    name = "fake"
    title = "A fake business"

    def open(self, outlet: Outlet, *, seed: int, saved: str | None) -> World:
        return FakeWorld(outlet, seed=seed, saved=saved)
