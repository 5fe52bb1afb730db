"""The world as the host runs it: nothing is lost however often it is killed, pace, tickets, surges, scenarios."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.services.worlds.commerce.conftest import NOTHING, NOW_S, MemoryOutlet, Wall, keep, opened

from labsvc.errors import Misuse
from labsvc.sim.instant import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from labsvc.worlds import Answer
from labsvc.worlds.commerce import Commerce
from labsvc.worlds.commerce.delivery import Delivery
from labsvc.worlds.commerce.errands import IN_FLIGHT, PER_S

NOW_US = int(NOW_S) * SECOND_US
MORE_US = (MINUTE_US, HOUR_US, 2 * DAY_US, 12 * DAY_US)


def played(scene: Coroutine[Any, Any, Any]) -> None:
    asyncio.run(scene)


async def turns(count: int = 5) -> None:
    """Let tasks that wait for nothing run."""
    for _ in range(count):
        await asyncio.sleep(0)


def deliver(world: Commerce, outlet: MemoryOutlet, *, most: int, heard: bool = True) -> int:
    """Tell the api of what may be told; with `heard` false its answers get lost."""
    orders = world.outbox.take(most, 0)
    for order in orders:
        outlet.shop.put(order.number, order.body(price_ref=None))
    if heard:
        world.outbox.ack(orders)
    else:
        world.outbox.nack(orders, due_s=0)
    return len(orders)


LIFE = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.sampled_from(MORE_US)),
        st.tuples(st.just("session"), st.sampled_from([None, 4, 70])),
        st.tuples(st.just("trigger"), st.sampled_from(["rush-orders", "happy-customers", "normal-operations"])),
        st.tuples(st.just("keep"), st.none()),
        st.tuples(st.just("deliver"), st.integers(1, 400)),
        st.tuples(st.just("unheard"), st.integers(1, 400)),
        st.tuples(st.just("kill"), st.none()),
    ),
    min_size=4,
    max_size=16,
)


@settings(max_examples=8)
@given(life=LIFE)
def test_books_match_however_often_it_is_killed(life: list[tuple[str, Any]]) -> None:
    """kill -9 at any moment, answers lost, saves seldom: in the end the api has exactly the orders of the world."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(), Wall()
        world = opened(outlet, wall, history_days=20)
        saved = keep(world)
        for name, value in life:
            kernel = world.simulation.kernel
            match name:
                case "pass":
                    kernel.run_until(kernel.now_us + value)
                case "session":
                    outlet.people = value
                    world.look()
                case "trigger":
                    try:
                        world.command("trigger", scenario=value)
                    except Misuse:
                        world.command("stop")
                case "keep":
                    saved = keep(world)
                case "deliver" | "unheard":
                    deliver(world, outlet, most=value, heard=name == "deliver")
                case "kill":
                    world = opened(outlet, wall, history_days=20, saved=saved)
        world = opened(outlet, wall, history_days=20, saved=saved)
        while len(world.outbox):
            keep(world)
            assert deliver(world, outlet, most=500)
        assert outlet.shop.books() == world.books()

    played(scene())


def test_nothing_is_told_before_it_is_kept() -> None:
    """An order that a killed world might never have had does not reach the api."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(), Wall()
        world = opened(outlet, wall, history_days=20)
        assert world.outbox.take(500, 0) == []
        world.look()
        assert outlet.wants_keeping
        keep(world)
        assert len(world.outbox.take(5, 0)) == 5

    played(scene())


def test_delivery_survives_an_api_of_moods() -> None:
    """Lost answers, 503 with Retry-After, 500: everything arrives, in order for each, few at a time, none too soon."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(counted="/shop"), Wall()
        world = opened(outlet, wall, history_days=20)
        asked_s: list[float] = []
        moods = iter(range(10_000))

        def answering(method: str, path: str, body: Any) -> Answer | None:
            if not path.startswith("/shop"):
                return None
            asked_s.append(wall.t_s)
            match next(moods) % 7:
                case 0:
                    return Answer(503, {}, retry_after_s=4.0)
                case 2:
                    outlet.answer(method, path, body)
                    return NOTHING
                case 4:
                    return Answer(500, {})
            return None

        outlet.answering = answering
        world.outbox.limit = 10
        delivery = Delivery(outlet, world.outbox, wall.s, sleep=wall.sleep)
        delivery.is_begun = delivery.is_open = True
        sending = asyncio.create_task(delivery.run())
        for _ in range(6):
            keep(world)
            while len(world.outbox):
                await wall.sleep(0.05)
            kernel = world.simulation.kernel
            kernel.run_until(kernel.now_us + 2 * DAY_US)
        keep(world)
        while len(world.outbox):
            await wall.sleep(0.05)
        sending.cancel()
        assert outlet.shop.books() == world.books()
        order = ("pending", "confirmed", "in_production", "shipped", "delivered", "cancelled")
        assert all(told == sorted(told, key=order.index) for told in outlet.shop.history.values())
        assert outlet.most_in_flight <= 3
        assert asked_s[1] == asked_s[0] or asked_s[1] >= asked_s[0] + 4  # those in flight, then as long as it said

    played(scene())


def test_new_business_begins_with_an_empty_shop() -> None:
    """What another business left is forgotten first, whoever is killed meanwhile; one that goes on forgets nothing."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(), Wall()
        outlet.shop.put(
            "BW-1", opened(outlet, wall, history_days=60).business.book.recent("delivered")[0].body(price_ref=None)
        )
        for _ in range(2):  # the first is killed before a save knows that the shop is empty
            world = opened(outlet, wall, history_days=20)
            keep(world)
            sending = asyncio.create_task(world.delivery.run())
            while not world.delivery.is_begun:
                await turns()
            assert outlet.shop.orders == {}
            sending.cancel()
        saved = keep(world)
        again = opened(outlet, wall, history_days=20, saved=saved)
        sending = asyncio.create_task(again.delivery.run())
        async with asyncio.timeout(60):
            while len(again.outbox):
                keep(again)
                await asyncio.sleep(0.02)
        sending.cancel()
        assert outlet.shop.books() == again.books()
        assert outlet.calls.count(("api", "DELETE", "/shop/orders")) == 2

    played(scene())


def test_time_stands_while_too_much_waits() -> None:
    """With more orders waiting than the limit the clock is held, and runs on when they are told."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(), Wall()
        world = opened(outlet, wall, history_days=20)
        world.outbox.limit = 20
        world.look()
        assert (world.clock.pace, world.state()["isHeld"], world.state()["pace"]) == (0, True, 480)
        keep(world)
        while deliver(world, outlet, most=500):
            pass
        world.look()
        assert (world.clock.pace, world.state()["isHeld"]) == (480, False)

    played(scene())


def test_pace_follows_session_scenario_and_facilitator() -> None:
    """480 outside, 1 in a session or while a scenario is watched; a facilitator's pace wins until the session turns."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(), Wall()
        world = opened(outlet, wall, history_days=20)
        for order in world.outbox.take(500, 0):
            world.outbox.ack([order])

        def pace(people: int | None) -> float:
            outlet.people = people
            world.look()
            return float(world.state()["pace"])

        assert (pace(None), pace(0), pace(30)) == (480, 1, 1)
        assert world.command("pace", factor=30.0) == {"pace": 30.0}
        assert (pace(31), pace(None)) == (30, 480)
        world.command("trigger", scenario="happy-customers")
        assert pace(None) == 1
        world.command("reset")
        assert pace(None) == 480

    played(scene())


def test_pause_is_no_wish_for_a_pace() -> None:
    """A session that is paused, then stopped: the business is back at its own pace, and a save keeps the pause."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(people=3), Wall()
        world = opened(outlet, wall, history_days=20)
        world.look()
        world.command("pace", factor=0.0)
        world = opened(outlet, wall, history_days=20, saved=keep(world))
        assert world.state()["pace"] == 0
        world.command("pace", factor=1.0)
        outlet.people = None
        world.look()
        assert world.state()["pace"] == 480

    played(scene())


def test_queue_gets_what_it_lacks_and_no_more() -> None:
    """Asked for as many as are lacking, those on their way counted; handed over once they are kept."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(people=4), Wall()
        world = opened(outlet, wall)
        for _ in range(120):
            wall.t_s += 1
            outlet.wanted = max(0, 5 - len(outlet.tickets))
            world.look()
            world.runner.advance()
            assert outlet.wanted == 0 or world.business.on_the_way + len(world.business.support.room) >= 5
            if outlet.wants_keeping:
                keep(world)
        assert 5 <= len(outlet.tickets) <= world.business.room_limit == 15
        assert len(outlet.tickets) == len(world.business.support.room)
        key = next(iter(outlet.tickets))
        world.ticket_closed(key, "resolved")
        assert key not in world.business.support.room

    played(scene())


@pytest.mark.parametrize(("people", "limit"), [(0, 15), (4, 15), (12, 15), (13, 16), (80, 96)])
def test_limit_of_the_queue_grows_with_the_people(people: int, limit: int) -> None:
    """Fifteen, as in the source, and 1.2 for each active person once that is more."""

    async def scene() -> None:
        outlet = MemoryOutlet(people=people)
        world = opened(outlet, Wall(), history_days=1)
        world.look()
        assert world.business.room_limit == limit

    played(scene())


def test_restored_world_offers_its_tickets_again() -> None:
    """What the queue had not stored when the process was killed is not lost; twice is harmless by the key."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(people=4, wanted=5), Wall()
        world = opened(outlet, wall)
        world.look()
        world.simulation.kernel.run_until(NOW_US + 31 * SECOND_US)
        saved = keep(world)
        outlet.wanted = 0
        again = opened(outlet, wall, saved=saved)
        again.look()
        assert set(outlet.tickets) == set(again.business.support.room)
        assert len(outlet.tickets) >= 5

    played(scene())


def test_trigger_is_in_the_news_at_once() -> None:
    """The external event is emitted by the command itself, its cause beside it; a second scenario has to wait."""

    async def scene() -> None:
        outlet = MemoryOutlet()
        world = opened(outlet, Wall(), history_days=20)
        assert world.command("trigger", scenario="rush-orders")["status"] == "active"
        stream, data, cause = outlet.events[0]
        assert (stream, data["type"], cause["scenario"]) == ("news", "marketing", "rush-orders")
        with pytest.raises(Misuse, match="rush-orders"):
            world.command("trigger", scenario="launch-day")
        assert world.state()["scenario"]["status"] == "active"
        world.simulation.kernel.run_until(NOW_US + MINUTE_US)
        assert world.command("stop") == {"scenario": "rush-orders", "status": "settling"}
        world.command("reset")
        assert world.state()["scenario"] is None

    played(scene())


def test_normal_operations_ends_what_is_on_and_gives_way() -> None:
    """It stops the active scenario, settles as long as that one does, and never keeps another one waiting."""

    async def scene() -> None:
        outlet = MemoryOutlet()
        world = opened(outlet, Wall(), history_days=20)
        world.command("trigger", scenario="rush-orders")
        kernel = world.simulation.kernel
        kernel.run_until(kernel.now_us + 5 * MINUTE_US)
        world.command("trigger", scenario="normal-operations")
        kernel.run_until(kernel.now_us + 10 * SECOND_US)
        scenario = world.state()["scenario"]
        assert (scenario["id"], scenario["status"]) == ("normal-operations", "settling")
        kernel.run_until(kernel.now_us + 5 * MINUTE_US)
        assert world.state()["scenario"]["status"] == "settled"
        world.command("trigger", scenario="normal-operations")
        assert world.command("trigger", scenario="launch-day")["status"] == "active"
        world.command("stop")

    played(scene())


def test_cards_are_for_people() -> None:
    """Eight scenarios in the order of the settings, each with words and a duration."""

    async def scene() -> None:
        cards = opened(MemoryOutlet(), Wall(), history_days=1).scenarios()
        assert [card.id for card in cards][:3] == ["rush-orders", "service-crisis", "happy-customers"]
        assert len(cards) == 8
        assert all(card.name and card.description and card.duration for card in cards)
        assert {card.duration for card in cards} >= {"15 minutes", "60 seconds"}

    played(scene())


def test_surge_lasts_its_wall_time_at_any_pace() -> None:
    """As many requests as a second of the wall clock has, then the scenario is stopped; a pause stretches it."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(), Wall()
        world = opened(outlet, wall, history_days=20)
        world.command("trigger", scenario="launch-day")
        world.command("pace", factor=3600.0)
        for second in range(100):
            world.errands.is_paused = 10 <= second < 20
            for _ in range(10):
                wall.t_s += 0.1
                world.errands.turn()
                await turns(2)
            if second == 95:
                assert world.state()["scenario"]["status"] == "active"
        posts = [path for role, method, path in outlet.calls if method == "POST"]
        assert len(posts) == pytest.approx(4 * 90, abs=4)
        assert posts.count("/orders?sku=cedar-60") > 0.7 * len(posts)
        assert world.state()["scenario"]["status"] != "active"
        assert world.errands.traffic["answered"] == len(posts)

    played(scene())


def test_visits_never_become_a_load_test() -> None:
    """At most IN_FLIGHT at once and PER_S a second; the rest is counted, and asked = answered + lost + unsent."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(), Wall()
        world = opened(outlet, wall, history_days=1)
        held = asyncio.Event()
        calling = outlet.call

        async def slow(*given: Any, **more: Any) -> Answer:
            await held.wait()
            return await calling(*given, **more)

        outlet.call = slow  # type: ignore[method-assign]
        for _ in range(100):
            world.errands.visit("cedar-60")
        await turns()
        visits = world.errands.visits
        assert (visits["asked"], visits["unsent"]) == (100, 100 - IN_FLIGHT)
        held.set()
        await turns(20)
        assert outlet.most_in_flight <= IN_FLIGHT
        wall.t_s += 1
        world.errands.turn()
        for _ in range(100):
            world.errands.visit("cedar-60")
            await turns()
        assert visits["answered"] <= IN_FLIGHT + PER_S
        assert visits["asked"] == visits["answered"] + visits["lost"] + visits["unsent"]

    played(scene())


def test_customer_without_a_price_is_lost_and_told() -> None:
    """Whoever gets no answer in time, or an error, is gone, with the reason."""

    async def scene() -> None:
        outlet = MemoryOutlet(answering=lambda method, path, body: NOTHING if "birch" in path else Answer(503))
        world = opened(outlet, Wall(), history_days=1)
        world.errands.visit("birch-50")
        world.errands.visit("cedar-60")
        await turns(10)
        lost = [(data["sku"], data["reason"]) for data in outlet.of("visits.lost")]
        assert sorted(lost) == [("birch-50", "timeout"), ("cedar-60", "status 503")]
        assert world.state()["figures"]["visits"] == {"asked": 2, "answered": 0, "lost": 2, "unsent": 0}

    played(scene())


def test_order_carries_the_price_that_was_told() -> None:
    """The customer of a home asks for its price first; the order that the api gets refers to it."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(), Wall()
        world = opened(outlet, wall, history_days=20)
        had = set(world.business.book.orders)
        kernel = world.simulation.kernel
        while not (new := [o for n, o in world.business.book.orders.items() if n not in had and o.kind == "home"]):
            kernel.run_until(kernel.now_us + HOUR_US)
            await turns(10)
        assert world.outbox.price_refs[new[0].number] == f"ref of /quotes/{new[0].sku}"

    played(scene())


def test_maintenance_is_asked_for_and_taken_back() -> None:
    """The api is told at once, the state says until when, and a stop ends it."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(), Wall()
        world = opened(outlet, wall, history_days=1)
        world.command("trigger", scenario="system-maintenance")
        await turns()
        assert ("api", "PUT", "/shop/maintenance") in outlet.calls
        assert world.state()["maintenance"] is not None
        assert (world.state()["scenario"]["secondsLeft"], world.state()["scenario"]["progress"]) == (60, 0)
        world.command("stop")
        await turns()
        assert outlet.calls[-1] == ("api", "DELETE", "/shop/maintenance")
        assert world.state()["maintenance"] is None

    played(scene())


def test_maintenance_that_comes_again_stays() -> None:
    """An api that is slow to open after the first one does not end the second."""

    async def scene() -> None:
        outlet, is_slow = MemoryOutlet(), asyncio.Event()
        calling = outlet.call

        async def slow(role: str, method: str, path: str, **more: Any) -> Answer:
            if method == "DELETE":
                await is_slow.wait()
            return await calling(role, method, path, **more)

        outlet.call = slow  # type: ignore[method-assign,assignment]
        world = opened(outlet, Wall(), history_days=1)
        world.command("trigger", scenario="system-maintenance")
        await turns()
        world.command("stop")
        await turns()
        world.command("trigger", scenario="system-maintenance")
        await turns()
        is_slow.set()
        await turns()
        assert world.state()["maintenance"] is not None

    played(scene())


def test_who_opens_a_page_sees_what_was_before() -> None:
    """The last ten orders are shown as past when the world opens, each where it stands."""

    async def scene() -> None:
        outlet = MemoryOutlet()
        world = opened(outlet, Wall(), history_days=20)
        running = asyncio.create_task(world.run())
        await turns()
        newest = list(world.business.book.orders.values())[-10:]
        assert [data["orderNumber"] for data in outlet.of("orders.placed")] == [order.number for order in newest]
        moved = {data["orderNumber"]: data["status"] for data in outlet.of("orders.status")}
        assert moved == {order.number: order.status for order in newest if order.status != "pending"}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    played(scene())


def test_surge_goes_on_after_a_kill() -> None:
    """A restored world has the seconds that were left."""

    async def scene() -> None:
        outlet, wall = MemoryOutlet(), Wall()
        world = opened(outlet, wall, history_days=1)
        world.command("trigger", scenario="price-hunt")
        for _ in range(100):
            wall.t_s += 0.4
            world.errands.turn()
            await turns(2)
        again = opened(outlet, wall, history_days=1, saved=keep(world))
        running = asyncio.create_task(again.run())
        while again.errands.surge is None:
            await turns()
        assert again.errands.surge.left_s == pytest.approx(50, abs=1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    played(scene())


@pytest.mark.parametrize("text", ["", "{}", '{"schema_version": 2}'])
def test_what_cannot_be_read_is_told(text: str) -> None:
    """A save of something else is refused in one line, so that the host begins anew."""
    with pytest.raises(Misuse, match="cannot be read") as told:
        opened(MemoryOutlet(), Wall(), saved=text)
    assert "\n" not in str(told.value)
