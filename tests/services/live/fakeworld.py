"""A tiny business for tests and for looking at the pages: orders at a rate, tickets as wanted, one rush."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from labsvc.errors import Misuse
from labsvc.worlds import Outlet, ScenarioCard, TicketDraft, World

SUBJECTS = (
    ("Delivery truck stuck in driveway", "high", "delivery", True),
    ("Dishwasher missing from the kitchen package", "medium", "delivery", False),
    ("How do we connect water and power?", "low", "general", False),
    ("Crack in the roof after the crane", "critical", "defect", True),
)


class FakeWorld:
    """Implements `worlds.World`."""

    def __init__(self, outlet: Outlet, *, seed: int, saved: str | None) -> None:
        self._outlet = outlet
        kept = json.loads(saved) if saved else {"orders": 0, "tickets": 0, "scenario": None, "pace": 1.0}
        self._orders, self._tickets = kept["orders"], kept["tickets"]
        self._scenario: str | None = kept["scenario"]
        self._pace = float(kept["pace"])
        self.closed: list[tuple[str, str]] = []
        self.stopped = asyncio.Event()

    def scenarios(self) -> Sequence[ScenarioCard]:
        return (
            ScenarioCard("rush-orders", "Rush", "Orders come five times as fast.", "3 minutes"),
            ScenarioCard("service-crisis", "Service crisis", "Several urgent tickets at once.", "5 minutes"),
            ScenarioCard("happy-customers", "Happy customers", "Praise and referrals.", "5 minutes"),
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
        scenario = {"id": self._scenario, "name": self._scenario, "status": "active"} if self._scenario else None
        figures = {"orders": self._orders, "tickets": self._tickets}
        return {"simTime": None, "pace": self._pace, "scenario": scenario, "figures": figures}

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
            await asyncio.sleep(0.2 if self._scenario == "rush-orders" else 1.0)
            if self._pace:
                self._order(cause={"kind": "baseline"})
                for _ in range(self._outlet.tickets_wanted()):
                    self._ticket()

    def _order(self, *, cause: Mapping[str, Any]) -> None:
        self._orders += 1
        self._outlet.emit("orders.placed", {"order": f"BW-{self._orders}", "total_cents": 18_500_000}, cause=cause)

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
