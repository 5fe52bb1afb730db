"""Starts and ends single processes of the stack. Keeps nothing alive: that is the supervisor's work.

A role's process gets its public socket (shared by all replicas; none where a balancer stands before them), a private
socket of its own, and the read end of a pipe whose end tells it that the supervisor is gone. What it prints goes to
`.lab/logs/<name>.log`.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import psutil

from labdriver.stack.checksum import services_code
from labdriver.stack.local import identity
from labdriver.stack.local.environment import environment
from labdriver.stack.local.identity import Identity
from labdriver.stack.local.ports import HOST, listen
from labdriver.stack.local.postgres import Postgres, stand_in
from labdriver.stack.local.state import Paths
from labdriver.stack.manifests import Role

TERM_S = 3.0  # from the polite signal to the forced end
HUNG_TERM_S = 0.2  # the same for a process that has stopped answering: it has nothing to finish
POLL_S = 0.02
LOG_LIMIT_BYTES = 5_000_000


@dataclass(frozen=True)
class Launched:
    """One process that was started."""

    process: asyncio.subprocess.Process
    identity: Identity
    port: int | None  # its private port, None for Postgres
    code: str  # checksum of the services' code it was started from


@dataclass(frozen=True)
class Launcher:
    """What every start needs."""

    paths: Paths
    listeners: Mapping[str, socket.socket]  # role → public socket
    ports: Mapping[str, int]
    postgres: Postgres
    lifeline: int  # read end of the pipe
    limit: Callable[[int, float], None]  # keeps a pid to so many cores

    async def database(self, name: str) -> Launched:
        """Start Postgres, its data made first if need be."""
        await asyncio.to_thread(self.postgres.prepare)
        with self._log(name) as out:
            process = await asyncio.create_subprocess_exec(
                *self.postgres.command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                **stand_in(),
            )
        return _launched(name, process, None, "")

    async def role(self, role: Role, name: str, *, port: int = 0) -> Launched:
        """Start one replica. `port` is the private port to prefer."""
        private = _private(port)
        public = self.listeners.get(role.name)
        sockets = [listener.fileno() for listener in (public, private) if listener is not None]
        env = environment(
            role,
            replica=name,
            root=self.paths.root,
            ports=self.ports,
            database_url=self.postgres.url,
            outer=os.environ,
        )
        env["LAB_LISTEN_FDS"] = ",".join(map(str, sockets))
        env["LAB_PARENT_FD"] = str(self.lifeline)
        code = services_code(self.paths.root)
        with private, self._log(name) as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "labsvc.cli", *role.args),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                pass_fds=(*sockets, self.lifeline),
                env=env,
                cwd=self.paths.root,
            )
            if role.cpu_limit_cores is not None:
                self.limit(process.pid, role.cpu_limit_cores)
            return _launched(name, process, private.getsockname()[1], code)

    def _log(self, name: str) -> IO[bytes]:
        """The log file of a process, moved aside when it has grown too long."""
        path = self.paths.log(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if path.stat().st_size > LOG_LIMIT_BYTES:
                os.replace(path, path.with_suffix(".log.1"))
        return path.open("ab")


async def end(launched: Launched, *, sign: signal.Signals = signal.SIGTERM, grace_s: float = TERM_S) -> None:
    """End a process: politely, after `grace_s` by force. Returns when it is gone."""
    with suppress(ProcessLookupError):
        launched.process.send_signal(sign)
    try:
        await asyncio.wait_for(launched.process.wait(), grace_s)
    except TimeoutError:
        with suppress(ProcessLookupError):
            launched.process.kill()
        await launched.process.wait()


async def until_deaf(launched: Launched, ended: "asyncio.Future[None]") -> None:
    """Wait until a process that is being ended takes no more connections."""
    while not ended.done():
        try:
            _, writer = await asyncio.open_connection(HOST, launched.port)
            writer.close()
        except OSError:
            return
        await asyncio.wait({ended}, timeout=POLL_S)


def last_words(path: Path) -> str:
    """The last line of a log, for an error message; JSON lines are shortened to what they say."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    last = lines[-1] if lines else ""
    with suppress(ValueError):
        told = json.loads(last)
        if isinstance(told, dict):  # what a participant prints may be JSON too: a number, a list
            return " ".join(str(told[key]) for key in ("event", "lab", "error") if key in told)
    return last[:200]


def ending(code: int) -> str:
    """`exit code 2`, or the signal's name."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


def log(event: str, **fields: Any) -> None:
    """One JSON line of the supervisor's own."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"at": at, "event": event, **fields}), flush=True)


def _launched(name: str, process: asyncio.subprocess.Process, port: int | None, code: str) -> Launched:
    log("process_started", name=name, pid=process.pid, port=port)
    try:
        return Launched(process, identity.of(process.pid), port, code)
    except psutil.Error:  # it has ended already; whoever keeps it will see that
        return Launched(process, Identity(process.pid, time.time()), port, code)


def _private(port: int) -> socket.socket:
    try:
        return listen(port)
    except OSError:
        return listen()  # somebody took the port meanwhile
