"""The business on the kernel: customers order, orders go their way, some bring tickets, some bring praise.

    orders (source, burst) ──▶ homes | packages | fast (chains) ──▶ placed → … → delivered | cancelled
                                                        │ also complaint, feedback, claim
    tickets (source), burst.critical, tickets.ask ──▶ support        visits (source): who only asks for a price

Commands from outside, all logged: workshop.mode {people}, tickets.ask {count}, ticket.closed {key, how}, besides the
kernel's scenario.*. The first `HistoryDays` run silently; then the doors open and visitors come. Knows no host.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labsvc.sim.arrivals import Source
from labsvc.sim.chain import Chain
from labsvc.sim.delay import Delay
from labsvc.sim.entity import Entity, Origin, entity
from labsvc.sim.instant import DAY_US
from labsvc.sim.odds import Odds
from labsvc.sim.rate import Rate
from labsvc.sim.simulation import Simulation
from labsvc.worlds.commerce.burst import Burst
from labsvc.worlds.commerce.catalogue import Catalogue, Kind, Region, evenly, filled, seconds
from labsvc.worlds.commerce.course import pattern, season, steps
from labsvc.worlds.commerce.orders import Book, Order, Part
from labsvc.worlds.commerce.settings import Settings
from labsvc.worlds.commerce.support import Ending, Support

SCENARIOS = Path(__file__).with_name("scenarios")
RUSH_GAP = Delay(kind="uniform", min_s=20, max_s=40)  # the source waits 30 s between two orders of a rush
CRISIS_GAP = Delay(kind="uniform", min_s=2, max_s=12)
PRAISE_GAP = Delay(kind="uniform", min_s=5, max_s=20)
PRAISED_US = 90 * DAY_US  # whose home is newer than this may praise it


class Business:
    """Implements `sim.simulation.World`; one object a run."""

    name = "commerce"

    def __init__(self, settings: Settings, catalogue: Catalogue, *, version: str) -> None:
        self.version = version
        self.scenarios = SCENARIOS
        self.settings = settings
        self.catalogue = catalogue
        self.people: int | None = None  # active participants; None without a session
        self.asked_for = 0  # tickets that the queue asked for, ever
        self.on_the_way = 0  # of those, how many are still to be opened
        self.book = Book()

    def start(self, simulation: Simulation) -> None:
        """Declare everything; see `sim.simulation.World`."""
        self.kernel, modifiers = simulation.kernel, simulation.modifiers
        self.support = Support(self.kernel, modifiers, self.book, self.catalogue, self.settings)
        self.stars = Odds(
            self.kernel,
            modifiers,
            "feedback.stars",
            {str(stars): share for stars, share in self.catalogue.feedback.share_ratio.items()},
        )
        numbers, rules = self.settings.business, self.settings.business_simulator
        self.chains = {
            name: Chain(
                self.kernel,
                modifiers,
                name,
                steps(getattr(numbers.fulfilment, name), self.settings, complaint_ratio=rate),
                first="placed",
                describe=self._happened,
            )
            for name, rate in (
                ("homes", rules.normal_mode.support_ticket_rate),
                ("packages", rules.normal_mode.support_ticket_rate),
                ("fast", rules.workshop_mode.support_ticket_rate),
            )
        }
        self.orders = Source(self.kernel, modifiers, "orders", self._order_rate(), self._ordered)
        self.tickets = Source(self.kernel, modifiers, "tickets", Rate(0), self._dripped)
        self.visits = Source(self.kernel, modifiers, "visits", Rate(0), self._visited)
        Burst(self.kernel, modifiers, "burst.orders", RUSH_GAP, self._ordered)
        Burst(self.kernel, modifiers, "burst.critical", CRISIS_GAP, self._critical)
        Burst(self.kernel, modifiers, "burst.praise", PRAISE_GAP, self._praised)
        self.opens_us = self.kernel.start_us + numbers.history_days * DAY_US
        self.kernel.at(self.opens_us, self._open_doors, None)
        self.kernel.on_command("workshop.mode", self.set_mode)
        self.kernel.on_command("tickets.ask", self.ask)
        self.kernel.on_command("ticket.closed", self.close)

    # ------------------------------------------------------------------ commands

    def set_mode(self, people: int | None) -> dict[str, Any]:
        """A session runs with so many active people, or none does."""
        begins_or_ends = (people is None) != (self.people is None)
        self.people = people
        if begins_or_ends:
            self.support.open_room(people is not None)
        rate, drip = self._order_rate(), self._drip_rate()
        if begins_or_ends or rate.per_hour != self.orders.rate.per_hour:
            self.orders.set_rate(rate)
            self.visits.set_rate(self._visit_rate())
        if begins_or_ends or drip.per_hour != self.tickets.rate.per_hour:
            self.tickets.set_rate(drip)
        return {"mode": self.mode, "people": people}

    def ask(self, count: int) -> dict[str, Any]:
        """Open so many tickets, each after a moment of its own."""
        queue = self.settings.business_simulator.ticket_queue
        stagger = Delay(kind="uniform", min_s=seconds(queue.stagger_min), max_s=seconds(queue.stagger_max))
        for _ in range(count):
            self.asked_for += 1
            self.on_the_way += 1
            about = entity(Origin("tickets/asked"), self.asked_for)
            self.kernel.after(stagger.at(self.kernel.streams.draw(about.id, "stagger")), self._asked, about)
        return {"on_the_way": self.on_the_way}

    def close(self, key: str, how: Ending) -> dict[str, Any]:
        """A participant ended a ticket. One that is not in the room changes nothing."""
        return {"closed": self.support.close(key, how)}

    # ------------------------------------------------------------------ what is so now

    @property
    def mode(self) -> str:
        return "normal" if self.people is None else "workshop"

    @property
    def room_limit(self) -> int:
        """Up to how many tickets of the room fresh ones come by themselves."""
        queue = self.settings.business_simulator.ticket_queue
        wanted = math.ceil((self.people or 0) * queue.active_per_participant)
        return max(queue.max_active_tickets, queue.min_active_tickets, wanted)

    @property
    def _is_large(self) -> bool:
        return (self.people or 0) > self.settings.business_simulator.participant_scaling.large_group_above

    def _order_rate(self) -> Rate:
        rules = self.settings.business_simulator
        if self.people is None:
            interval = rules.normal_mode.order_generation_interval
            return Rate(3600 / seconds(interval), pattern(self.settings.business))
        by_size = rules.participant_scaling.order_interval
        interval = by_size.large if self._is_large else by_size.small
        if self.people == 0:
            interval = rules.workshop_mode.order_generation_interval
        return Rate(3600 / seconds(interval))

    def _visit_rate(self) -> Rate:
        rate = self._order_rate()
        return Rate(rate.per_hour * self.settings.business.visits_per_order, rate.factors)

    def _drip_rate(self) -> Rate:
        if self.people is None:
            return Rate(0)
        by_size = self.settings.business_simulator.participant_scaling.ticket_interval
        return Rate(3600 / seconds(by_size.large if self._is_large else by_size.small))

    # ------------------------------------------------------------------ what happens

    def _open_doors(self, _: None) -> None:
        self.visits.set_rate(self._visit_rate())

    def _ordered(self, customer: Entity) -> None:
        modes = self.settings.business_simulator
        mode = modes.normal_mode if self.people is None else modes.workshop_mode
        kind = self._kind(customer)
        chain = "fast" if mode.fast_track_enabled else "homes" if kind == "home" else "packages"
        self.chains[chain].enter(customer)

    def _kind(self, customer: Entity) -> Kind:
        is_package = self._draw(customer, "kind") < self.settings.business.package_ratio
        return "package" if is_package else "home"

    def _visited(self, visitor: Entity) -> None:
        region = self.catalogue.regions.at(self._draw(visitor, "region"))
        sold = self.catalogue.products(region, "home", season(self.kernel.now_us))
        self.kernel.emit("visits.asked", visitor, {"sku": sold.at(self._draw(visitor, "product")).sku})

    def _dripped(self, about: Entity) -> None:
        if self.people is None or len(self.support.room) < self.room_limit:
            self._opened(about, self.support.any(about))

    def _asked(self, about: Entity) -> None:
        self.on_the_way -= 1
        if self.people is not None:
            self._opened(about, self.support.any(about))

    def _critical(self, about: Entity) -> None:
        self._opened(about, self.support.trouble(about, critical=True))

    def _opened(self, about: Entity, told: Mapping[str, Any] | None) -> None:
        if told is not None:
            self.kernel.emit("support.opened", about, told)

    def _praised(self, about: Entity) -> None:
        newest = self.book.delivered(self.kernel.now_us - PRAISED_US, self.kernel.now_us)
        if len(newest):
            order = newest.at(self._draw(about, "order"))
            self.kernel.emit("customers.feedback", about, self._feedback(about, order, stars=5))

    def _happened(self, step: str, about: Entity, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """A step of a chain: what it changes, and the data of its record."""
        if step == "placed":
            return self._place(about)
        order = self.book.orders[data["orderNumber"]]
        if step == "complaint":
            told = self.support.complaint(about, order)
            assert told is not None, f"nobody complains about an order that is {order.status}"
            return told
        if step == "claim":
            return self.support.claim(about, order)
        if step == "feedback":
            return self._feedback(about, order)
        return self._advance(order, step)

    def _advance(self, order: Order, status: str) -> dict[str, Any]:
        delivered_us = self.kernel.now_us if status == "delivered" else order.delivered_us
        changed = {"status": status, "delivered_us": delivered_us}
        self.book.put(Order(**{name: getattr(order, name) for name in Order.__slots__} | changed))
        return {"orderNumber": order.number, "status": status, "region": order.region}

    def _place(self, about: Entity) -> dict[str, Any]:
        now_us = self.kernel.now_us
        region = self.catalogue.regions.at(self._draw(about, "region"))
        customer, city = self._customer(about, region)
        now_season = season(now_us)
        kind = self._kind(about)
        product = self.catalogue.products(region, kind, now_season).at(self._draw(about, "product"))
        parts = self._parts(about, region) if kind == "home" else ()
        order = Order(
            number=self.book.next_number(),
            customer=customer,
            region=region.name,
            city=city,
            sku=product.sku,
            product=product.name,
            kind=kind,
            parts=parts,
            amount_cents=product.price_cents + sum(part.amount_cents for part in parts),
            status="pending",
            placed_us=now_us,
        )
        self.book.put(order)
        return shown(order)

    def _customer(self, about: Entity, region: Region) -> tuple[str, str]:
        """(name, city): somebody new, or somebody of the region who comes back."""
        known = self.book.customers.setdefault(region.name, [])
        if known and self._draw(about, "returning") < self.settings.business.returning_ratio:
            return evenly(known, self._draw(about, "customer"))
        people = self.catalogue.people
        name = (
            f"{evenly(people.first, self._draw(about, 'first'))} {evenly(people.family, self._draw(about, 'family'))}"
        )
        known.append((name, evenly(region.cities, self._draw(about, "city"))))
        return known[-1]

    def _parts(self, about: Entity, region: Region) -> tuple[Part, ...]:
        found: list[Part] = []
        groups: set[str] = set()
        for each in self.catalogue.goods.components:
            ratio = min(0.95, each.attach_ratio * each.regions.get(region.name, 1))
            if each.group not in groups and self._draw(about, each.sku) < ratio:
                found.append(Part(each.sku, each.name, each.price_cents))
                groups |= {each.group} - {""}
        return tuple(found)

    def _feedback(self, about: Entity, order: Order, *, stars: int | None = None) -> dict[str, Any]:
        given = stars or int(self.stars.choose(about, "stars")[0])
        text = evenly(self.catalogue.feedback.texts[given], self._draw(about, "text"))
        said = filled(text, {"product": order.product, "city": order.city})
        return {
            "orderNumber": order.number,
            "customer": order.customer,
            "region": order.region,
            "stars": given,
            "text": said,
        }

    def _draw(self, about: Entity, purpose: str) -> float:
        return self.kernel.streams.draw(about.id, purpose)


def shown(order: Order) -> dict[str, Any]:
    """The data of the record that an order was placed."""
    return {
        "orderNumber": order.number,
        "customer": order.customer,
        "region": order.region,
        "city": order.city,
        "sku": order.sku,
        "product": order.product,
        "kind": order.kind,
        "components": [part.name for part in order.parts],
        "amountCents": order.amount_cents,
        "season": season(order.placed_us),
    }
