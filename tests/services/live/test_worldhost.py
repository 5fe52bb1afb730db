"""Worlds: opened where they were left, steered, held, kept, and opened again when they fail."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tests.services.live.fakeworld import FakeKind, FakeWorld
from tests.services.live.wires import MemoryWire

from labsvc.deps import RealClock
from labsvc.errors import Misuse
from labsvc.live.calls import unreachable
from labsvc.live.hub import Hub
from labsvc.live.topics import parse
from labsvc.live.worldhost import Running, Worlds
from labsvc.worlds import Outlet, TicketDraft, World


class Saves:
    """Keeps in memory."""

    def __init__(self, kept: dict[str, str] | None = None) -> None:
        self.kept = kept or {}
        self.writes = 0

    async def lead(self) -> None:
        return None

    async def read(self, world: str) -> str | None:
        return self.kept.get(world)

    async def write(self, world: str, saved: str, *, again: bool) -> bool:
        if again and world not in self.kept:
            return False
        self.writes += 1
        self.kept[world] = saved
        return True

    async def is_gone(self, world: str) -> bool:
        return world not in self.kept

    async def close(self) -> None:
        return None


class Desk:
    """Wants three tickets."""

    def __init__(self) -> None:
        self.taken: list[TicketDraft] = []

    def lacking(self) -> int:
        return 3 - len(self.taken)

    def take_in(self, draft: TicketDraft) -> bool:
        self.taken.append(draft)
        return True

    is_known: bool = True

    def active(self) -> int | None:
        return None


class QuickWorld(FakeWorld):
    """Acts once and waits; fails when it is told to."""

    fail = False

    async def run(self) -> None:
        self._order(cause={"kind": "baseline"})
        if QuickWorld.fail:
            QuickWorld.fail = False
            raise RuntimeError("the world broke")
        await asyncio.Event().wait()


class QuickKind(FakeKind):
    def open(self, outlet: Outlet, *, seed: int, saved: str | None) -> World:
        if saved == "of another version":
            raise Misuse("the snapshot has another version")
        return QuickWorld(outlet, seed=seed, saved=saved)


class QuickClock(RealClock):
    """Long pauses pass at once."""

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(min(delay_s, 0.01))


async def until(holds: Any) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  the condition is somebody else's
            await asyncio.sleep(0.01)


def played(
    scene: Any, *, kept: dict[str, str] | None = None, saves: Saves | None = None, kind: FakeKind | None = None
) -> Saves:
    """Play a scene with running worlds."""
    saves = saves or Saves(kept)

    async def play() -> None:
        hub, desk = Hub(RealClock()), Desk()
        worlds = Worlds([kind or QuickKind()], hub, saves, QuickClock(), seed=1)
        worlds.start(desk)
        try:
            await until(lambda: worlds.running[0].world is not None)
            await scene(worlds, hub, desk)
        finally:
            await worlds.stop()

    asyncio.run(play())
    return saves


def test_world_goes_on_where_it_was_kept() -> None:
    """What was kept is read; what happened since is kept at the end."""

    async def scene(worlds: Worlds, hub: Hub, desk: Desk) -> None:
        await until(lambda: worlds.orders_generated() == 42)

    saves = played(scene, kept={"fake": '{"orders": 41, "tickets": 0, "scenario": null, "pace": 1.0}'})
    assert '"orders": 42' in saves.kept["fake"]


def test_world_that_cannot_be_restored_begins_anew() -> None:
    """A snapshot of another version costs the past, not the world."""

    async def scene(worlds: Worlds, hub: Hub, desk: Desk) -> None:
        await until(lambda: worlds.orders_generated() == 1)

    played(scene, kept={"fake": "of another version"})


def test_world_that_fails_is_opened_again() -> None:
    """A bug in a world is logged, and the world is back; the host goes on."""
    QuickWorld.fail = True

    async def scene(worlds: Worlds, hub: Hub, desk: Desk) -> None:
        await until(lambda: not QuickWorld.fail)
        await until(lambda: worlds.running[0].world is not None and worlds.orders_generated() >= 2)

    played(scene)


def test_world_begins_anew_when_the_database_was_wiped() -> None:
    """What was kept is gone, as after `labdriver reset`: a new business, and the old one is not written back."""

    async def scene(worlds: Worlds, hub: Hub, desk: Desk) -> None:
        old = worlds.running[0].world
        await until(lambda: worlds.orders_generated() == 42)
        worlds.one("fake").command("stop")  # kept soon after
        await until(lambda: saves.kept["fake"].startswith('{"orders": 42'))
        del saves.kept["fake"]
        await until(lambda: worlds.running[0].world not in (None, old))
        assert worlds.orders_generated() <= 1

    saves = Saves({"fake": '{"orders": 41, "tickets": 0, "scenario": null, "pace": 1.0}'})
    played(scene, saves=saves)
    assert '"orders": 1,' in saves.kept["fake"]


def test_world_learns_that_it_was_kept() -> None:
    """A world that asks to be kept is kept soon, and told afterwards."""
    told: list[int] = []

    class Keen(QuickWorld):
        def kept(self) -> None:
            told.append(saves.writes)

        async def run(self) -> None:
            self._outlet.keep_soon()
            await asyncio.Event().wait()

    class KeenKind(FakeKind):
        def open(self, outlet: Outlet, *, seed: int, saved: str | None) -> World:
            return Keen(outlet, seed=seed, saved=saved)

    async def scene(worlds: Worlds, hub: Hub, desk: Desk) -> None:
        await until(lambda: told)

    saves = Saves()
    played(scene, saves=saves, kind=KeenKind())
    assert told[0] == 1


def test_worlds_wait_until_the_room_is_known() -> None:
    """A world that was in a session must not take the first moments of a process for the session's end."""

    async def play() -> None:
        desk = Desk()
        desk.is_known = False
        worlds = Worlds([QuickKind()], Hub(RealClock()), Saves(), QuickClock(), seed=1)
        worlds.start(desk)
        try:
            for _ in range(5):
                await asyncio.sleep(0.01)
            assert worlds.running[0].world is None
            desk.is_known = True
            await until(lambda: worlds.running[0].world is not None)
        finally:
            await worlds.stop()

    asyncio.run(play())


def test_scenarios_are_triggered_by_name() -> None:
    """Unknown names list the known ones; the state shows what is active."""

    async def scene(worlds: Worlds, hub: Hub, desk: Desk) -> None:
        with pytest.raises(Misuse, match="rush-orders, service-crisis"):
            worlds.trigger("earthquake")
        assert worlds.trigger("rush-orders") == "active"
        wire = MemoryWire()
        hub.flush()
        hub.subscribe(hub.attach(wire), parse(["world.*"]))
        assert wire.events()[-1]["data"]["scenario"]["id"] == "rush-orders"
        with pytest.raises(Misuse, match="unknown world"):
            worlds.one("callcenter")

    played(scene)


def test_hold_stops_time_and_gives_the_pace_back() -> None:
    """Held twice is held once; a pace that is set meanwhile counts afterwards."""

    async def scene(worlds: Worlds, hub: Hub, desk: Desk) -> None:
        fake = worlds.one("fake")
        fake.command("pace", factor=10.0)
        for _ in range(2):
            worlds.hold(True)
        assert fake.state()["pace"] == 0
        assert fake.command("pace", factor=60.0)["after_the_pause"] == 60
        assert fake.state()["pace"] == 0
        worlds.hold(False)
        assert fake.state()["pace"] == 60

    played(scene)


def test_a_pause_goes_with_the_database_that_knew_of_it() -> None:
    """Wiped while the session was paused: the new business keeps its own pace, and not the one to go back to."""

    async def scene(worlds: Worlds, hub: Hub, desk: Desk) -> None:
        old = worlds.running[0].world
        worlds.one("fake").command("pace", factor=10.0)
        worlds.hold(True)
        await until(lambda: saves.kept)
        saves.kept.clear()
        await until(lambda: worlds.running[0].world not in (None, old))
        worlds.hold(False)
        assert worlds.one("fake").state()["pace"] == 1

    saves = Saves()
    played(scene, saves=saves)


def test_pause_that_ends_before_the_world_is_open_ends() -> None:
    """The generator ends in a pause and starts again; the session goes on while the world is still being opened."""
    saves = Saves({"fake": '{"orders": 41, "tickets": 0, "scenario": null, "pace": 0.0}'})

    async def play() -> None:
        worlds = Worlds([QuickKind()], Hub(RealClock()), saves, QuickClock(), seed=1)
        worlds.start(Desk())
        try:
            worlds.hold(True)
            worlds.hold(False)
            await until(lambda: worlds.running[0].world is not None)
            assert worlds.one("fake").state()["pace"] == 1
        finally:
            await worlds.stop()

    asyncio.run(play())


def test_command_before_the_world_runs_is_refused() -> None:
    """A world that is not open yet says so."""
    running = Running(FakeKind(), Hub(RealClock()), Desk(), unreachable)
    with pytest.raises(Misuse, match="not running yet"):
        running.command("stop")
    told: Mapping[str, Any] = running.state()
    assert told["running"] is False
