"""The small daemon that keeps a local stack alive: `python -m labdriver.stack.local.supervisor`.

    runtime.py ──sockets as inherited descriptors──▶ Supervisor ──keeps──▶ Postgres, api-1, worker-1 …
                                                         ▲ control.py: status, roll, unscale, restart, stop

Starts what the manifests and the labs' edit.yaml say, starts again what ends (with a growing pause), replaces processes
behind the same listening socket. Ends itself and all of it when told to, or when its state file is taken away.
"""

import argparse
import asyncio
import os
import secrets
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from labdriver import open_files
from labdriver.errors import LabError, Misuse
from labdriver.stack import edits, manifests
from labdriver.stack.local import control, identity, state
from labdriver.stack.local.balance import Balancer
from labdriver.stack.local.desk import Desk
from labdriver.stack.local.ports import listen
from labdriver.stack.local.postgres import FAST, FAST_S, Postgres
from labdriver.stack.local.processes import Launched, Launcher, end, ending, log
from labdriver.stack.local.scaling import Scaling
from labdriver.stack.local.state import Paths, Running, State
from labdriver.stack.local.throttle import Throttle
from labdriver.stack.manifests import DATABASE, Stack

PAUSE_S = (0.2, 5.0)  # before a crashed process is started again: first, longest
STEADY_S = 10.0  # a process that ran this long has earned the short pause again
WATCH_S = 1.0  # between two looks at the state file
MOST_REPLICAS = 12  # of one role; the rest waits, as pods do that no node has room for


@dataclass
class Slot:
    """One replica's place: the process changes, the place stays."""

    role: str
    name: str
    launch: Callable[[int], Awaitable[Launched]]  # takes the private port to prefer, 0: any
    launched: Launched | None = None
    keeper: "asyncio.Task[None] | None" = None
    launching: asyncio.Lock = field(default_factory=asyncio.Lock)  # a keeper is never cancelled in mid-start
    restarts: int = 0
    why: str = ""

    def running(self, *, is_asked: bool) -> Running:
        now = self.launched
        return Running(
            role=self.role,
            name=self.name,
            pid=now.identity.pid if now else None,
            started_s=now.identity.started_s if now else 0,
            port=now.port if now else None,
            restarts=self.restarts,
            code=now.code if now else "",
            why=self.why,
            is_asked=is_asked,
        )


class Supervisor:
    """Keeps the slots of one checkout."""

    def __init__(self, root: Path, listeners: dict[str, socket.socket], control_socket: socket.socket) -> None:
        self.paths = Paths(root)
        self.stack = self._first_stack()
        self.slots: list[Slot] = []
        self.wanted: dict[str, int] = {}  # role → replicas, also those that wait
        self.stopping = asyncio.Event()
        self.token = secrets.token_hex(16)
        self._me = identity.of(os.getpid())
        self._control = control_socket
        inner = {name: listen() for name in self.stack.roles if name not in listeners}
        ports = {role: listener.getsockname()[1] for role, listener in {**listeners, **inner}.items()}
        postgres = Postgres(self.paths.postgres, self.stack.database_args)
        lifeline, self._lifeline_end = os.pipe()  # the other end closes with us, however we end
        self.throttle = Throttle(root)
        self.launcher = Launcher(self.paths, listeners, ports, postgres, lifeline, self.throttle.limit)
        desk = self.desk = Desk(self)
        self.scaling = Scaling(self, changing=desk.changing, rescale=desk.rescaled)
        self.balancers = {
            role: Balancer(listener, partial(self.scaling.ready_ports, role)) for role, listener in inner.items()
        }

    async def run(self, ready: int) -> None:
        """Keep the stack until told to stop. A byte goes to the descriptor `ready` once questions are answered."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(sign, self.stopping.set)
        state.write(self.paths.state, self.snapshot())
        server = await asyncio.start_server(self.desk.serve, sock=self._control, limit=control.LINE_LIMIT_BYTES)
        os.write(ready, b"1")
        os.close(ready)
        database = f"{DATABASE}-1"
        self.add(Slot(DATABASE, database, lambda _port: self.launcher.database(database)))
        for role in self.stack.roles.values():
            self.scale(role.name, role.replicas)
        for balancer in self.balancers.values():
            await balancer.start()
        watches = [asyncio.create_task(self._watch_state()), asyncio.create_task(self.scaling.run())]
        await self.stopping.wait()
        for watch in watches:
            watch.cancel()
        server.close()
        await self.throttle.stop()
        await self._stop_all()
        for balancer in self.balancers.values():
            balancer.close()
        await self.desk.finish()
        for listener in self.launcher.listeners.values():
            listener.close()  # whoever finds no state starts a stack of his own, on the same ports
        if not self._taken_away():
            self.paths.state.unlink(missing_ok=True)
        log("supervisor_stopped")

    def read_stack(self) -> Stack:
        """What manifests and edits say now. Raises Misuse."""
        base = manifests.read(self.paths.root / "k8s" / "base")
        return edits.laid_over(base, edits.read(self.paths.root / "labs"))

    def _first_stack(self) -> Stack:
        """The same, but an edit that cannot be read must not keep the other labs from being served."""
        try:
            return self.read_stack()
        except Misuse as error:
            log("edit_left_out", error=str(error))
            return manifests.read(self.paths.root / "k8s" / "base")

    def of_role(self, role: str) -> list[Slot]:
        return [slot for slot in self.slots if slot.role == role]

    def add(self, slot: Slot) -> None:
        self.slots.append(slot)
        slot.keeper = asyncio.create_task(self.keep(slot))

    def scale(self, role: str, replicas: int) -> list[Slot]:
        """Add slots up to `replicas`, or take the last ones out; their processes are for the caller to end."""
        self.wanted[role] = replicas
        replicas = min(replicas, MOST_REPLICAS)
        now = self.of_role(role)
        for number in range(len(now) + 1, replicas + 1):
            name = f"{role}-{number}"
            self.add(Slot(role, name, partial(self._launch_role, role, name)))
        surplus = now[replicas:]
        self.slots = [slot for slot in self.slots if slot not in surplus]
        return surplus

    async def _launch_role(self, role: str, name: str, port: int) -> Launched:
        return await self.launcher.role(self.stack.roles[role], name, port=port)

    def save(self) -> None:
        """Write who runs now. A full disk must not end the stack; a state that was taken away is not written again."""
        if self._taken_away():
            return
        try:
            state.write(self.paths.state, self.snapshot())
        except OSError as error:
            log("state_not_written", error=str(error))

    def snapshot(self) -> State:
        return State(
            root=str(self.paths.root),
            pid=self._me.pid,
            started_s=self._me.started_s,
            control_port=self._control.getsockname()[1],
            token=self.token,
            ports=dict(self.launcher.ports),
            database_url=self.launcher.postgres.url,
            processes=tuple(slot.running(is_asked=self._is_asked(slot)) for slot in self.slots),
        )

    def _is_asked(self, slot: Slot) -> bool:
        return slot.role not in self.balancers or self.scaling.is_ready(slot)

    async def keep(self, slot: Slot) -> None:
        """Start the process of a slot, and again whenever it ends."""
        pause_s, longest_s = PAUSE_S
        port = 0
        # A state that is being removed takes Postgres' files with it: starting that anew would bring the stack back.
        while not self._taken_away():
            began_s = time.monotonic()
            try:
                async with slot.launching:
                    if slot.launched is None:
                        slot.launched = await slot.launch(port)
                        self.save()
                port = slot.launched.port or 0
                code = await slot.launched.process.wait()
                self.throttle.free(slot.launched.identity.pid)
                slot.why = f"ended with {ending(code)}"
            except (LabError, OSError) as error:
                slot.why = str(error)
            slot.launched = None
            slot.restarts += 1
            log("process_ended", name=slot.name, why=slot.why, restarts=slot.restarts)
            self.save()
            if time.monotonic() - began_s > STEADY_S:
                pause_s = PAUSE_S[0]
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, longest_s)

    async def release(self, slot: Slot) -> Launched | None:
        """Stop keeping a slot. Returns its process, which runs on, None when it has none."""
        async with slot.launching:
            if slot.keeper:
                slot.keeper.cancel()
                with suppress(asyncio.CancelledError):
                    await slot.keeper
            launched, slot.launched = slot.launched, None
        if launched:
            self.throttle.free(launched.identity.pid)
        return launched

    async def _stop_all(self) -> None:
        """Roles first, so that their last words still reach the database."""
        roles = [await self.release(slot) for slot in self.slots if slot.role != DATABASE]
        await asyncio.gather(*(end(launched) for launched in roles if launched))
        for slot in self.of_role(DATABASE):
            launched = await self.release(slot)
            if launched:
                await end(launched, sign=FAST, grace_s=FAST_S)

    def _taken_away(self) -> bool:
        """Whether the state file is gone or names another supervisor. Then the stack ends."""
        if not state.is_taken(self.paths.state, self._me.pid):
            return False
        if not self.stopping.is_set():
            log("state_taken_away")
            self.stopping.set()
        return True

    async def _watch_state(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            if self._taken_away():
                return


def main() -> None:
    """Become a daemon on the inherited sockets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--listen", action="append", required=True, metavar="ROLE=FD")
    parser.add_argument("--control", type=int, required=True, metavar="FD")
    parser.add_argument("--ready", type=int, required=True, metavar="FD")
    given: Any = parser.parse_args()
    if os.fork():  # the launcher waits for this parent only; the daemon belongs to nobody
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    open_files.raise_limit()  # for the services: a request that waits is an open file
    pairs = [pair.split("=") for pair in given.listen]
    listeners = {role: socket.socket(fileno=int(fd)) for role, fd in pairs}
    asyncio.run(_run(given.root, listeners, socket.socket(fileno=given.control), given.ready))


async def _run(root: Path, listeners: dict[str, socket.socket], control_socket: socket.socket, ready: int) -> None:
    os.set_inheritable(ready, False)  # its end must tell the launcher that we died, not that a child did
    await Supervisor(root, listeners, control_socket).run(ready)


if __name__ == "__main__":
    main()
