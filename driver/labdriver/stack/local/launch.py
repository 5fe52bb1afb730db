"""Brings the supervisor into being, takes it down, and clears away what a crash left.

    up:   ports opened here ──▶ supervisor (daemon) ──▶ .lab/stack.json ──▶ it says that it answers
    down: ask the supervisor ──▶ else end it ──▶ end every recorded process that still lives

Ends only processes that this checkout's state names by pid and start time, and the server of its own data folder.
"""

import os
import select
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

import labdriver
from labdriver.errors import EnvironmentFault, LabError
from labdriver.stack.local import control, identity, state
from labdriver.stack.local.control import NoAnswer
from labdriver.stack.local.environment import PASSED
from labdriver.stack.local.identity import Identity
from labdriver.stack.local.ports import listen, listen_for
from labdriver.stack.local.postgres import FAST, FAST_S, Postgres
from labdriver.stack.local.processes import last_words
from labdriver.stack.local.state import Paths, State
from labdriver.stack.manifests import DATABASE

ANSWER_S = 3.0  # to say that it will stop; on a crowded machine it may get no turn for a while
STOP_S = 20.0  # the supervisor's own limits add up to less
TERM_S = 3.0
HANGING_S = 0.5  # for a supervisor that does not answer any more
SUPERVISOR = "supervisor"


def start(paths: Paths, ports: Mapping[str, int], *, deadline_s: float) -> None:
    """Start a supervisor and return when it answers. Raises EnvironmentFault for a taken port or a dead supervisor."""
    paths.logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        listeners = {role: opened.enter_context(listen_for(role, port)) for role, port in ports.items()}
        control_socket = opened.enter_context(listen())
        ready, its_ready = os.pipe()
        opened.callback(os.close, ready)
        try:
            _spawn(paths, listeners, control_socket, its_ready)
        finally:
            os.close(its_ready)
        readable, _, _ = select.select([ready], [], [], deadline_s)
        if not readable or not os.read(ready, 1):  # an end without a word: it died
            raise EnvironmentFault(
                f"the supervisor did not start: {last_words(paths.log(SUPERVISOR))}",
                next_step=f"tail {paths.log(SUPERVISOR)}",
            )


def stop(paths: Paths) -> list[str]:
    """End the stack, whatever state it is in. Returns what was done, one line each; empty: nothing was running."""
    known = state.read(paths.state)
    if known is None or known.root != str(paths.root):
        return clear_remains(paths)
    lines = []
    try:
        control.ask(known.control_port, known.token, "stop", timeout_s=ANSWER_S)
        if identity.wait_end(known.supervisor, deadline_s=STOP_S):
            lines.append(f"ended {len(known.processes)} processes and their supervisor")
    except (NoAnswer, LabError):
        pass  # it is gone or hangs: what it kept is ended below
    return lines + clear_remains(paths)


def clear_remains(paths: Paths) -> list[str]:
    """End what an earlier stack of this checkout left behind, and forget a state that was copied from elsewhere."""
    lines = []
    known = state.read(paths.state)
    if known and known.root != str(paths.root):
        lines.append(f"the state in {paths.folder} came from {known.root}: starting afresh, nothing of it was touched")
        shutil.rmtree(paths.postgres, ignore_errors=True)
    elif known:
        ended = identity.end([known.supervisor], grace_s=HANGING_S)
        ended += identity.end(_kept(known, lambda role: role != DATABASE), grace_s=TERM_S)
        ended += identity.end(_kept(known, lambda role: role == DATABASE), grace_s=FAST_S, sign=FAST)
        if ended:
            lines.append(f"ended {ended} processes that an earlier stack had left")
    server = Postgres(paths.postgres).process()
    if server:
        with suppress(psutil.Error):  # it may end by itself meanwhile
            identity.end([Identity(server.pid, server.create_time())], grace_s=FAST_S, sign=FAST)
        lines.append(f"ended a database server that an earlier stack had left (pid {server.pid})")
    paths.state.unlink(missing_ok=True)
    return lines


def _kept(known: State, of: Callable[[str], bool]) -> list[Identity]:
    """Processes of those roles."""
    return [running.identity for running in known.processes if running.identity and of(running.role)]


def _spawn(paths: Paths, listeners: Mapping[str, socket.socket], control_socket: socket.socket, ready: int) -> None:
    """Start the daemon's parent, which leaves as soon as the daemon is on its own."""
    command = [sys.executable, "-P", "-m", "labdriver.stack.local.supervisor", "--root", str(paths.root)]
    command += [f"--listen={role}={listener.fileno()}" for role, listener in listeners.items()]
    command += [f"--control={control_socket.fileno()}", f"--ready={ready}"]
    env = {name: os.environ[name] for name in PASSED if name in os.environ}
    env["PYTHONPATH"] = str(Path(labdriver.__file__).resolve().parents[1])
    descriptors = [listener.fileno() for listener in listeners.values()] + [control_socket.fileno(), ready]
    with paths.log(SUPERVISOR).open("ab") as out, suppress(subprocess.CalledProcessError):
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            pass_fds=descriptors,
            env=env,
            cwd=paths.root,
            check=True,
        )
