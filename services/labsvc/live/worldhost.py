"""Runs the worlds: opens each where it was left, keeps it, shows its state, passes commands on.

    saves ──▶ Kind.open ──▶ World.run ──emit──▶ hub
                 ▲             │ open_ticket ──▶ desk
    admin, facilitator ──command─┘

A world that fails is opened again where it was kept last. Knows no business by name.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import structlog

from labsvc.deps import Clock
from labsvc.errors import Misuse, ServiceError
from labsvc.live.calls import unreachable
from labsvc.live.hub import Hub
from labsvc.live.saves import Saves
from labsvc.rest import Refused
from labsvc.worlds import Answer, Kind, ScenarioCard, TicketDraft, World

SAVE_S = 5.0  # and within LOOK_S of every command
LOOK_S = 0.5  # how often a change of state is noticed that no command made
PAUSE_S = (1.0, 30.0)  # before a world that failed is opened again: first, longest


class TicketDesk(Protocol):
    """The workshop's desk, as a world's outlet uses it."""

    def lacking(self) -> int: ...

    def take_in(self, draft: TicketDraft) -> bool: ...

    def active(self) -> int | None: ...

    @property
    def is_known(self) -> bool: ...


class Call(Protocol):
    """The way to the other services (`calls.py`)."""

    async def __call__(self, role: str, method: str, path: str, *, body: Any = None, timeout_s: float) -> Answer: ...


class Wiped(ServiceError):
    """What was kept of a world is gone: the database was wiped, and the business begins anew."""


class Running:
    """One world of this process. Implements `worlds.Outlet` for it."""

    def __init__(self, kind: Kind, hub: Hub, desk: TicketDesk, call: Call) -> None:
        self.kind = kind
        self.world: World | None = None
        self._hub = hub
        self._desk = desk
        self._call = call
        self._told: Mapping[str, Any] = {}
        self._held_pace: float | None = None  # the pace to go back to, while the session is paused
        self._due_pace: float | None = None  # to be set as soon as the world is open
        self.is_steered = False  # a command was applied since the world was kept, or it asks to be kept
        self.was_kept = False  # since it was opened, by this process or one before

    # ------------------------------------------------------------------ for the world

    def emit(
        self, stream: str, data: Mapping[str, Any], *, cause: Mapping[str, Any] | None = None, **more: Any
    ) -> None:
        self._hub.publish(stream, data, cause=cause, **more)

    def tickets_wanted(self) -> int:
        return self._desk.lacking()

    def open_ticket(self, draft: TicketDraft) -> bool:
        return self._desk.take_in(draft)

    @property
    def knows_the_room(self) -> bool:
        """Whether it is known if a session runs: a world must not take the first moments for its end."""
        return self._desk.is_known

    def active_people(self) -> int | None:
        return self._desk.active()

    def keep_soon(self) -> None:
        self.is_steered = True

    async def call(self, role: str, method: str, path: str, *, body: Any = None, timeout_s: float) -> Answer:
        return await self._call(role, method, path, body=body, timeout_s=timeout_s)

    # ------------------------------------------------------------------ for people

    def command(self, name: str, **arguments: Any) -> Mapping[str, Any]:
        """Steer the world. Raises Misuse, also while it does not run."""
        if self.world is None:
            raise Misuse(f"the world {self.kind.name} is not running yet; try again in a moment")
        if name == "pace" and self._held_pace is not None:
            self._held_pace = float(arguments["factor"])
            return {"pace": 0, "after_the_pause": self._held_pace}
        told = self.world.command(name, **arguments)  # type: ignore[arg-type]  # checked by the endpoint
        self.is_steered = True
        self.look()
        return told

    def hold(self, on: bool) -> None:
        """Stop the world's time, or let it go on at the pace it had. Asking twice changes nothing."""
        if on == (self._held_pace is not None):
            return
        if on:
            self._held_pace = float(self.world.state().get("pace", 1.0)) if self.world else 0.0
            self._due_pace = 0.0
        else:
            self._due_pace, self._held_pace = self._held_pace or 1.0, None
        self.set_due_pace()

    def begin_anew(self) -> None:
        """The database was wiped: the session went, and its pause with it."""
        self.world = self._held_pace = self._due_pace = None

    def set_due_pace(self) -> None:
        """Set the pace that a pause or its end asked for. A world that opens may have been kept before that."""
        if self.world is not None and self._due_pace is not None:
            self.world.command("pace", factor=self._due_pace)
            self._due_pace = None
            self.look()

    def state(self) -> dict[str, Any]:
        """What everybody may see of this world."""
        about = {"world": self.kind.name, "title": self.kind.title, "running": self.world is not None}
        return {**about, **(self.world.state() if self.world else {})}

    def look(self) -> None:
        """Show the state if it has changed."""
        state = self.state()
        if state != self._told:
            self._told = state
            self._hub.publish(f"world.{self.kind.name}", state, state=True)


class Worlds:
    """All worlds of this process. Implements the workshop's `Business`."""

    def __init__(
        self, kinds: Sequence[Kind], hub: Hub, saves: Saves, clock: Clock, *, seed: int, call: Call = unreachable
    ) -> None:
        self._kinds = kinds
        self._call = call
        self._hub = hub
        self._saves = saves
        self._clock = clock
        self._seed = seed
        self.running: list[Running] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, desk: TicketDesk) -> None:
        """Run every world, as soon as this process may."""
        self.running = [Running(kind, self._hub, desk, self._call) for kind in self._kinds]
        self._tasks = [asyncio.create_task(self._lead())] if self.running else []

    async def stop(self) -> None:
        """End the worlds; each is kept once more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._saves.close()

    def one(self, name: str | None) -> Running:
        """A world by its name; without a name the first. Raises Misuse listing the known ones."""
        if not self.running:
            raise Misuse("no world runs here")
        found = next((each for each in self.running if name in (None, each.kind.name)), None)
        if found is None:
            known = ", ".join(each.kind.name for each in self.running)
            raise Misuse(f"unknown world {str(name)[:40]!r}, expected one of: {known}")
        return found

    def scenarios(self) -> list[tuple[str, ScenarioCard]]:
        """Every scenario with its world."""
        return [(each.kind.name, card) for each in self.running if each.world for card in each.world.scenarios()]

    # ------------------------------------------------------------------ the workshop's Business

    def trigger(self, scenario: str) -> str:
        """Start a scenario in the world that has it. Raises Misuse."""
        for name, card in self.scenarios():
            if card.id == scenario:
                told = self.one(name).command("trigger", scenario=scenario)
                return str(told.get("status", "triggered"))
        known = ", ".join(card.id for _, card in self.scenarios()) or "none: no world runs"
        raise Misuse(f"unknown scenario {scenario[:40]!r}, expected one of: {known}")

    def hold(self, on: bool, /) -> None:
        for each in self.running:
            with suppress(Misuse):
                each.hold(on)

    def orders_generated(self) -> int:
        figures = (each.state().get("figures", {}) for each in self.running)
        return sum(int(each.get("orders", 0)) for each in figures)

    def ticket_closed(self, key: str, how: str) -> None:
        for each in self.running:
            if each.world is not None:
                each.world.ticket_closed(key, how)

    # ------------------------------------------------------------------ running

    async def _lead(self) -> None:
        await self._saves.lead()
        while not all(each.knows_the_room for each in self.running):
            await self._clock.sleep(LOOK_S / 5)
        lives = [asyncio.create_task(self._live(each)) for each in self.running]
        try:
            await asyncio.gather(*lives)
        finally:
            for life in lives:
                life.cancel()
            await asyncio.gather(*lives, return_exceptions=True)

    async def _live(self, running: Running) -> None:
        """Open a world and run it; again after a failure, a little later each time."""
        pause_s, longest_s = PAUSE_S
        log = structlog.get_logger().bind(world=running.kind.name)
        while True:
            try:
                await self._open(running)
                log.info("world_opened")
                await self._run(running)
                log.error("world_ended")
            except Wiped:
                log.info("world_begins_anew")
                running.begin_anew()
                continue
            except Exception:
                log.exception("world_failed")
            running.world = None
            running.look()
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 2, longest_s)

    async def _open(self, running: Running) -> None:
        saved = await self._saves.read(running.kind.name)
        running.was_kept = saved is not None
        opened = partial(running.kind.open, running, seed=self._seed)
        try:  # in a thread: a long past takes seconds, and clients are served meanwhile
            running.world = await asyncio.to_thread(opened, saved=saved)
        except Misuse as error:  # kept by another version, say: a new beginning is better than none
            structlog.get_logger().warning("world_not_restored", world=running.kind.name, why=str(error))
            running.world = await asyncio.to_thread(opened, saved=None)
        running.set_due_pace()
        running.look()

    async def _run(self, running: Running) -> None:
        world = running.world
        assert world is not None
        parts = [asyncio.ensure_future(world.run()), asyncio.create_task(self._watch(running, world))]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in parts:
                if part.done():
                    part.result()
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            with suppress(Wiped):
                await asyncio.shield(self._keep(running, world))

    async def _watch(self, running: Running, world: World) -> None:
        """Show changes of state, and keep the world every few seconds."""
        kept_s = self._clock.monotonic_s()
        while True:
            await self._clock.sleep(LOOK_S)
            running.look()
            await self._notice_wiping(running)
            if running.is_steered or self._clock.monotonic_s() - kept_s >= SAVE_S:
                kept_s = self._clock.monotonic_s()
                await self._keep(running, world)

    async def _keep(self, running: Running, world: World) -> None:
        """Store the world. Raises Wiped when what was stored before is there no more."""
        running.is_steered = False
        try:
            stored = await self._saves.write(running.kind.name, world.saved(), again=running.was_kept)
        except ServiceError as error:
            structlog.get_logger().info("world_not_kept", world=running.kind.name, why=str(error))
            return
        if not stored:
            raise Wiped(f"what was kept of the world {running.kind.name} is gone")
        running.was_kept = True
        world.kept()

    async def _notice_wiping(self, running: Running) -> None:
        """Raises Wiped when the world's save has gone; while the database is away nobody can tell."""
        if not running.was_kept:
            return
        with suppress(Refused):
            if await self._saves.is_gone(running.kind.name):
                raise Wiped(f"what was kept of the world {running.kind.name} is gone")
