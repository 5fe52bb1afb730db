"""The business as the live host runs it: paced, shown, told to the api, saved.

    host ──command──▶ Runner ──▶ Business ──Record──▶ show ──▶ Outlet.emit
                        ▲          │ book ──▶ Outbox ──▶ Delivery ──▶ api
    look, four a second ┘          └ room ──▶ Outlet.open_ticket        Errands ──▶ api, worker

Whatever comes from outside becomes a logged command, so that seed and log replay the business exactly. What goes
outside waits until a save holds it (`outbox.py`). Implements `labsvc.worlds.World`.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labsvc.errors import Misuse
from labsvc.sim.clock import Clock
from labsvc.sim.instant import SECOND_US, iso
from labsvc.sim.record import Record
from labsvc.sim.runner import Runner
from labsvc.sim.simulation import Simulation
from labsvc.worlds import Outlet, ScenarioCard
from labsvc.worlds.commerce import view
from labsvc.worlds.commerce.business import Business, shown
from labsvc.worlds.commerce.delivery import Delivery
from labsvc.worlds.commerce.errands import Errands, SurgeForm
from labsvc.worlds.commerce.orders import Order
from labsvc.worlds.commerce.outbox import Outbox
from labsvc.worlds.commerce.saved import Saved

LOOK_S = 0.25
NEWEST = 10  # orders that are shown again when the world opens
OUTBOX_LIMIT = 5_000  # so many orders that the api has not been told hold the time
CALM = "normal-operations"  # the scenario that gives way to every other, and ends every other
VISITS = "visits.asked"  # for the errands, not for the public
SHOWN = {"external": "news"}  # records of the kernel under the names that the public knows


class Commerce:
    """One running business."""

    def __init__(
        self,
        outlet: Outlet,
        simulation: Simulation,
        business: Business,
        surges: Mapping[str, SurgeForm],
        *,
        saved: Saved | None = None,
        wall_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.simulation = simulation
        self.business = business
        self._outlet = outlet
        self._surges = surges
        self._wall_ns = wall_ns
        kernel = simulation.kernel
        self.clock = Clock(wall_ns=wall_ns, now_us=kernel.now_us, pace=0)
        self.runner = Runner(kernel, self.clock)
        self.outbox = Outbox(limit=OUTBOX_LIMIT)
        self.delivery = Delivery(outlet, self.outbox, self._wall_s)
        self.errands = Errands(outlet, self._wall_s, kernel.streams.draw, priced=self._priced, over=self._surge_over)
        self._own_pace: float | None = None  # a facilitator's
        self._is_paused = False
        self._surge_left_s: float | None = None  # of one that is to go on
        self._fresh = dict(business.support.room)  # tickets that participants do not have yet
        self._may_show: set[str] = set(self._fresh)
        self._staged: set[str] = set()
        self._staged_begun = False
        if saved is None:
            self.outbox.restore((), {})
            for order in business.book.orders.values():
                self.outbox.put(order)
        else:
            self._go_on(saved)
        business.book.listeners.append(self.outbox.put)
        kernel.observe(self._show)

    # ------------------------------------------------------------------ for the host

    def scenarios(self) -> Sequence[ScenarioCard]:
        order = self.business.settings.business_simulator.scenarios.predefined_scenarios
        return view.cards(self.simulation, self._surges, order)

    def command(self, name: str, **arguments: Any) -> Mapping[str, Any]:
        match name:
            case "trigger":
                return self._trigger(arguments["scenario"])
            case "stop":
                told = self.runner.command("scenario.stop")
                self._after_scenario()
                return {"scenario": told["scenario"], "status": told["phase"]}
            case "reset":
                self.runner.command("scenario.reset")
                self._after_scenario()
                return {"scenario": None, "status": "normal"}
            case "pace":
                return self._pace(float(arguments["factor"]))
        raise Misuse(f"unknown command {name!r}, expected one of: trigger, stop, reset, pace")

    def state(self) -> Mapping[str, Any]:
        now_us, business = self.simulation.kernel.now_us, self.business
        return {
            "simTime": iso(now_us // SECOND_US * SECOND_US),
            "pace": self.pace,
            "mode": business.mode,
            "isHeld": self.outbox.is_full,
            "scenario": view.scenario(self.simulation, self.errands),
            "maintenance": view.maintenance(self.errands, self._wall_s()),
            "figures": view.figures(business, self.errands, now_us=now_us, undelivered=len(self.outbox)),
        }

    def saved(self) -> str:
        self.outbox.stage()
        self._staged, self._staged_begun = set(self._fresh), self.delivery.is_begun
        surge = self.errands.surge
        return Saved(
            snapshot=self.simulation.snapshot(),
            waiting=tuple(self.outbox.waiting()),
            price_refs=self.outbox.price_refs,
            own_pace=self._own_pace,
            is_paused=self._is_paused,
            is_begun=self.delivery.is_begun,
            surge_left_s=surge.left_s if surge else self._surge_left_s,
            visits=dict(self.errands.visits),
            traffic=dict(self.errands.traffic),
        ).model_dump_json()

    def kept(self) -> None:
        self.outbox.kept()
        self.delivery.is_open = self._staged_begun
        self._may_show |= self._staged

    def ticket_closed(self, key: str, how: str) -> None:
        if key in self.business.support.room:
            self._fresh.pop(key, None)
            self.runner.command("ticket.closed", key=key, how=how)

    async def run(self) -> None:
        self._resume_surge()
        self._set_pace()
        self._show_newest()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.runner.run())
            group.create_task(self.delivery.run())
            group.create_task(self.errands.run())
            while True:
                self.look()
                await asyncio.sleep(LOOK_S)

    # ------------------------------------------------------------------ for tests and benches

    def books(self) -> dict[str, Any]:
        """What `GET /shop/books` says as soon as everything is told."""
        return self.business.book.told()

    def look(self) -> None:
        """Notice what is different outside: the session, what the queue lacks; hand over tickets."""
        people = self._outlet.active_people()
        if people != self.business.people:
            if (people is None) != (self.business.people is None):
                self._own_pace = None
            self.runner.command("workshop.mode", people=people)
        self._hand_over()
        lacking = self._outlet.tickets_wanted() - self.business.on_the_way - len(self._fresh)
        if people is not None and lacking > 0 and self.pace > 0:
            self.runner.command("tickets.ask", count=lacking)
        is_waiting = self.outbox.wants_keeping or self.delivery.is_begun != self.delivery.is_open
        if is_waiting or any(key not in self._may_show for key in self._fresh):
            self._outlet.keep_soon()
        self._set_pace()

    # ------------------------------------------------------------------ pace

    @property
    def pace(self) -> float:
        """Simulated seconds a second, as it is meant to be."""
        if self._is_paused:
            return 0.0
        return self._running_pace

    @property
    def _running_pace(self) -> float:
        if self._own_pace is not None:
            return self._own_pace
        paces = self.business.settings.business.pace
        if self.business.people is not None:
            return paces.workshop
        return paces.normal if view.phase(self.simulation) in ("", "settled") else paces.scenario

    def _pace(self, factor: float) -> dict[str, Any]:
        """A facilitator's pace. Back from a pause to the pace before it is not a wish of anybody's."""
        if factor == 0:
            self._is_paused = True
        else:
            if not (self._is_paused and factor == self._running_pace):
                self._own_pace = factor
            self._is_paused = False
        self._set_pace()
        return {"pace": self.pace}

    def _set_pace(self) -> None:
        pace = 0.0 if self.outbox.is_full else self.pace
        self.errands.is_paused = self._is_paused
        if pace != self.clock.pace:
            self.runner.set_pace(pace)

    # ------------------------------------------------------------------ scenarios

    def _trigger(self, scenario: str) -> dict[str, Any]:
        active = self.simulation.scenarios.active()
        if active is not None and CALM in (scenario, active.scenario.id):
            self.runner.command("scenario.stop")
            self._after_scenario()
        told = self.runner.command("scenario.trigger", id=scenario)
        if scenario in self._surges:
            self.errands.begin(told["id"], self._surges[scenario])
        self._set_pace()
        return {"scenario": scenario, "status": told["phase"]}

    def _after_scenario(self) -> None:
        self.errands.end()
        self._set_pace()

    def _surge_over(self) -> None:
        if self.simulation.scenarios.active() is not None:
            self.runner.command("scenario.stop")
        self._set_pace()

    def _resume_surge(self) -> None:
        """Go on with the surge of a scenario that was active when the world was saved."""
        active, left_s = self.simulation.scenarios.active(), self._surge_left_s
        self._surge_left_s = None
        if active is not None and active.scenario.id in self._surges and left_s is not None:
            self.errands.begin(active.id, self._surges[active.scenario.id], left_s=left_s)

    # ------------------------------------------------------------------ inside

    def _wall_s(self) -> float:
        return self._wall_ns() / 1e9

    def _show(self, record: Record) -> None:
        """A record of the business: to the hub, and what follows from it outside."""
        data = record.data
        if record.stream == VISITS:
            self.errands.visit(data["sku"])
            return
        if record.stream == "orders.placed" and data["kind"] == "home":
            self.errands.visit(data["sku"], order=data["orderNumber"])
        if record.stream == "support.opened" and (ticket := self.business.support.room.get(data["key"])):
            self._fresh[data["key"]] = ticket
        if record.stream == "external":
            data = {name: data[name] for name in ("title", "type", "description", "severity", "icon")}
        self._outlet.emit(
            SHOWN.get(record.stream, record.stream), data, cause=view.cause(record.cause), simTime=iso(record.at_us)
        )

    def _show_newest(self) -> None:
        """The orders that came last before this process: who opens a page sees a business that has been there."""
        for order in list(self.business.book.orders.values())[-NEWEST:]:
            placed, moved = shown(order), {"orderNumber": order.number, "region": order.region}
            self._outlet.emit("orders.placed", placed, simTime=iso(order.placed_us), past=True)
            if order.status != "pending":
                self._outlet.emit("orders.status", moved | {"status": order.status}, past=True)

    def _hand_over(self) -> None:
        """Give the queue what is kept; the rest waits. Who was in the room when a session ended is with the staff."""
        room = self.business.support.room
        for key in [key for key in self._fresh if key not in room]:
            del self._fresh[key]
        for key in [key for key in self._fresh if key in self._may_show]:
            if self._outlet.open_ticket(self._fresh[key].draft):
                del self._fresh[key]
        self._may_show &= set(self._fresh)

    def _priced(self, number: str, ref: str) -> None:
        """The customer of an order was told a price. One whose order is with the api already goes without."""
        if number in self.outbox:
            self.outbox.price_refs[number] = ref

    def _go_on(self, saved: Saved) -> None:
        orders: Mapping[str, Order] = self.business.book.orders
        self.outbox.restore(saved.waiting, orders)
        self.outbox.price_refs.update(saved.price_refs)
        self._own_pace, self._is_paused = saved.own_pace, saved.is_paused
        self._surge_left_s = saved.surge_left_s
        self.delivery.is_begun = self.delivery.is_open = self._staged_begun = saved.is_begun
        self.errands.visits.update(saved.visits)
        self.errands.traffic.update(saved.traffic)
