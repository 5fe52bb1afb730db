"""A real Postgres in a process of its own, and a workshop on it whose clock is moved by hand."""

import asyncio
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool
from tests.conftest import lets_in
from tests.services.live.wires import HandClock

from labdriver.stack.local.postgres import Postgres, stand_in
from labsvc.errors import Misuse
from labsvc.rest import Who
from labsvc.workshop import plan, store
from labsvc.workshop.people import Wish
from labsvc.workshop.shapes import Joined
from labsvc.workshop.workshop import Workshop
from labsvc.worlds import TicketDraft

QUICK = ("-c", "max_connections=60", "-c", "shared_buffers=16MB", "-c", "fsync=off", "-c", "autovacuum=off")
LIMIT_S = 60.0
TABLES = "sessions, people, runs, tickets, ticket_log, waiting, moments, metrics, keys"


@dataclass
class Server:
    """One Postgres. `kill` is kill -9 of the server and all that belongs to it, `start` brings it back."""

    postgres: Postgres
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return self.postgres.url

    def start(self) -> None:
        """Return when it lets somebody in. While a child of a killed server still ends, a new server gives up at once:
        then another one is started, as a supervisor would."""
        until_s = time.monotonic() + LIMIT_S
        while True:
            if self.process is None or self.process.poll() is not None:
                self.process = self._begun()
            if lets_in(self.postgres):
                return
            assert time.monotonic() < until_s, "Postgres does not answer"
            time.sleep(0.05)

    def _begun(self) -> "subprocess.Popen[bytes]":
        self.postgres.prepare()
        command, nowhere = self.postgres.command(), subprocess.DEVNULL
        return subprocess.Popen(command, stdout=nowhere, stderr=nowhere, cwd="/", start_new_session=True, **stand_in())

    def kill(self) -> None:
        """As a crash would: the server at once, its children follow by themselves."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(LIMIT_S)

    def wipe(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute("SELECT to_regclass('workshop_sessions')").fetchone()
            if found and found[0]:
                names = ", ".join(f"workshop_{name}" for name in TABLES.split(", "))
                connection.execute(f"TRUNCATE {names}, live_worlds RESTART IDENTITY CASCADE")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One Postgres for all tests of the workshop."""
    # not below pytest's own folder: it is closed to the user that Postgres runs as
    root = Path(tempfile.mkdtemp(prefix="bw-pg-"))
    server = Server(Postgres(root / "pg", QUICK))
    try:
        server.start()
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.process.send_signal(signal.SIGINT)
            server.process.wait(LIMIT_S)
        shutil.rmtree(root, ignore_errors=True)


@dataclass
class FakeBusiness:
    """Notes what it was told."""

    told: list[tuple[str, Any]] = field(default_factory=list)
    held: bool = False

    def trigger(self, scenario: str) -> str:
        if scenario != "rush-orders":
            raise Misuse(f"unknown scenario {scenario!r}, expected one of: rush-orders")
        self.told.append(("trigger", scenario))
        return "active"

    def hold(self, on: bool, /) -> None:
        self.held = on

    def orders_generated(self) -> int:
        return 41

    def ticket_closed(self, key: str, how: str) -> None:
        self.told.append((how, key))


@dataclass
class Made:
    """A workshop on a wiped database, on a loop of its own."""

    runner: "asyncio.Runner"
    clock: HandClock
    business: FakeBusiness
    emitted: list[tuple[str, dict[str, Any]]]
    workshop: Workshop

    def run(self, doing: "Coroutine[Any, Any, Any]") -> Any:
        return self.runner.run(doing)

    def start(self, **how: Any) -> Any:
        return self.run(self.workshop.hour.start(**{"name": "Monday", "expected": 80, "speed": 1.0} | how))

    def join(self, name: str, *, token: str = "", code: str = "") -> tuple[Who, Joined]:
        code = code or self.run(self.workshop.hour.status()).session.code
        joined = self.run(self.workshop.hall.join(code, Wish(name, token, "local", ""), "10.0.0.1"))
        return self.run(self.workshop.door.who(joined.token, "10.0.0.1")), joined

    def open_tickets(self, count: int, *, first: int = 0, **fields: Any) -> None:
        self.beat()
        for number in range(first, first + count):
            assert self.workshop.desk.take_in(draft(f"T-{number}", **fields))
        self.beat()

    def beat(self) -> None:
        self.run(self.workshop.keeper.beat())

    def streams(self, prefix: str = "") -> list[str]:
        return [stream for stream, _ in self.emitted if stream.startswith(prefix)]


def draft(key: str, **fields: Any) -> TicketDraft:
    """A ticket of the business."""
    given: dict[str, Any] = {
        "key": key,
        "kind": "service",
        "subject": f"Missing dishwasher {key}",
        "description": "The kitchen package came without it.",
        "priority": "medium",
        "category": "delivery",
        "response_target_s": 900,
    }
    return TicketDraft(**given | fields)


Make = Callable[..., Made]


@pytest.fixture
def make(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make workshops; a second one on the same database is a restart of the generator."""
    monkeypatch.setattr(store, "WAIT_S", 60.0)  # a busy machine must not make them refuse
    postgres.wipe()
    clock = HandClock()
    with asyncio.Runner() as runner:
        pools: list[AsyncConnectionPool[Any]] = []

        def made() -> Made:
            business, emitted = FakeBusiness(), []

            def emit(stream: str, data: Any, *, state: bool = False) -> None:
                emitted.append((stream, data))

            async def build() -> Workshop:
                while pools:  # the process before is gone
                    await pools.pop().close()
                pool: AsyncConnectionPool[Any] = AsyncConnectionPool(postgres.url, min_size=1, max_size=8, open=False)
                pools.append(pool)
                await pool.open()
                workshop = Workshop(pool, plan.read(), clock, emit=emit, business=business)
                workshop.context.store.start()
                await workshop.context.store.ready()
                return workshop

            return Made(runner, clock, business, emitted, runner.run(build()))

        yield made
        for pool in pools:
            runner.run(pool.close())


@pytest.fixture
def made(make: Make) -> Made:
    """One workshop."""
    return make()
