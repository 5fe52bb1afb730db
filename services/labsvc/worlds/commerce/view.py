"""What people are shown of the business: its scenario, its figures, its maintenance, causes in words.

Looks and changes nothing. `living.py` puts the parts together.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from labsvc.sim.instant import NEVER_US, SECOND_US
from labsvc.sim.lifecycle import Activation
from labsvc.sim.simulation import Simulation
from labsvc.worlds import ScenarioCard
from labsvc.worlds.commerce.business import Business
from labsvc.worlds.commerce.errands import Errands, SurgeForm


def cards(simulation: Simulation, surges: Mapping[str, SurgeForm], order: Sequence[str]) -> list[ScenarioCard]:
    """What can be triggered, in the order of the settings."""
    catalogue = simulation.scenarios.catalogue
    found = []
    for id in order:
        if id in catalogue:
            lasts_s = surges[id].for_s if id in surges else catalogue[id].duration_s or 0
            found.append(ScenarioCard(id, catalogue[id].title, catalogue[id].description, _lasting(lasts_s)))
    return found


def phase(simulation: Simulation) -> str:
    """The latest scenario's phase; settling as long as an earlier one still does. Empty without any."""
    phases = [each.phase(simulation.kernel.now_us) for each in _activations(simulation)]
    if phases and phases[-1] == "settled" and "settling" in phases:
        return "settling"
    return phases[-1] if phases else ""


def scenario(simulation: Simulation, errands: Errands) -> dict[str, Any] | None:
    """The latest scenario, how long its phase has and how far it is; None when there is none since the last reset."""
    found = _activations(simulation)
    if not found:
        return None
    latest, now, surge = found[-1], phase(simulation), errands.surge
    begun_us, ends_us = latest.started_us, latest.stop_us
    if now != "active":
        begun_us, ends_us = latest.stop_us, max(each.settled_us for each in found)
    lasts_s = left_s = None
    if ends_us < NEVER_US:
        lasts_s = (ends_us - begun_us) / SECOND_US
        left_s = max(0.0, (ends_us - simulation.kernel.now_us) / SECOND_US)
    if now == "active" and surge is not None:
        lasts_s, left_s = surge.form.for_s, surge.left_s
    return {
        "id": latest.scenario.id,
        "name": latest.scenario.title,
        "status": now,
        "secondsLeft": None if left_s is None else round(left_s),
        "progress": None if not lasts_s or left_s is None else round(min(1.0, max(0.0, 1 - left_s / lasts_s)), 2),
    }


def maintenance(errands: Errands, wall_s: float) -> dict[str, str] | None:
    """Until when the api is in maintenance, by the clock on the wall."""
    until_s = errands.maintenance_until_s
    if until_s is None or until_s <= wall_s:
        return None
    until = datetime.fromtimestamp(round(time.time() + until_s - wall_s), UTC)
    return {"until": until.isoformat().replace("+00:00", "Z")}


def figures(business: Business, errands: Errands, *, now_us: int, undelivered: int) -> dict[str, Any]:
    """Everything that is counted."""
    support, books = business.support, business.book.told()
    orders, amount_cents = business.book.today(now_us)
    return {
        "orders": books["orders"],
        "ordersToday": orders,
        "amountTodayCents": amount_cents,
        "amountCents": books["amount_cents"],
        "byRegion": books["by_region"],
        "byStatus": books["by_status"],
        "tickets": {
            "opened": support.opened,
            "open": support.open,
            "resolved": support.resolved,
            "escalated": support.escalated,
            "byPriority": support.by_priority(),
        },
        "visits": {name: errands.visits[name] for name in ("asked", "answered", "lost", "unsent")},
        "traffic": {name: errands.traffic[name] for name in ("sent", "answered", "failed", "unsent")},
        "undelivered": undelivered,
        "people": business.people,
    }


def cause(told: str) -> dict[str, str]:
    """`event:rush-orders.1/television` as facilitators read it: kind, and with it id and scenario."""
    kind, _, id = told.partition(":")
    return {"kind": kind, **({"id": id, "scenario": id.split(".", 1)[0]} if id else {})}


def _activations(simulation: Simulation) -> list[Activation]:
    return [each for each in simulation.scenarios.activations if not each.injected]


def _lasting(seconds: float) -> str:
    if seconds < 10:
        return "at once"
    return f"{seconds:g} seconds" if seconds < 120 else f"{seconds / 60:g} minutes"
