"""Listening sockets on 127.0.0.1, and who has a port that is taken."""

import errno
import random
import socket
from collections.abc import Iterable, Iterator

import psutil

from labdriver.errors import EnvironmentFault
from labdriver.settings import PORT_VARIABLES

HOST = "127.0.0.1"
BACKLOG = 2048
APART = range(20_000, 30_000)  # systems give out ports above these to whoever asks for any: 32768 on, macOS 49152 on


def listen(port: int = 0) -> socket.socket:
    """A listening socket; port 0: any free one. Raises OSError."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def listen_for(role: str, port: int) -> socket.socket:
    """The public socket of a role. Raises EnvironmentFault naming the owner of the port and how to move it."""
    try:
        # macOS lets one bind beside a listener on all addresses: ask whether somebody answers already.
        if _answers(port):
            raise OSError(errno.EADDRINUSE, "in use")
        return listen(port)
    except OSError as error:
        variable = PORT_VARIABLES[role]
        if error.errno == errno.EADDRINUSE:
            told = f"port {port} for {role} is taken by {owner(port)}"
        else:
            told = f"cannot listen on port {port} for {role} ({error.strerror})"
        raise EnvironmentFault(told, next_step=f"end that process, or {variable}={free_near(port)} make up") from error


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=0.5).close()
    except OSError:
        return False
    return True


def owner(port: int) -> str:
    """Who listens on a port: name and pid, or "owner unknown" where this user may not look."""
    for pid, local in _listeners():
        if local == port:
            try:
                return f"{psutil.Process(pid).name()} (pid {pid})"
            except psutil.Error:
                return f"pid {pid}"
    return "another process (owner unknown)"


def free_near(port: int) -> int:
    """A free port above `port`, for a suggestion."""
    for candidate in range(port + 1000, min(port + 1100, 65536)):
        try:
            listen(candidate).close()
            return candidate
        except OSError:
            continue
    return port + 1000


def free(roles: Iterable[str], *, among: range = APART) -> dict[str, int]:
    """A free port for each role that no other process is given by chance while its owner is starting again.

    Begins at any place of `among`. Raises EnvironmentFault when all of them are taken.
    """
    begin = random.randrange(len(among))
    candidates = iter([*among[begin:], *among[:begin]])
    return {role: _next_free(candidates) for role in roles}


def _next_free(candidates: Iterator[int]) -> int:
    for port in candidates:
        try:
            listen(port).close()
            return port
        except OSError:
            continue
    raise EnvironmentFault("every port that a stack of its own could have is taken", next_step="end what listens there")


def _listeners() -> list[tuple[int, int]]:
    try:
        connections = psutil.net_connections(kind="tcp")
        return [(c.pid, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN and c.pid]
    except psutil.AccessDenied:  # macOS shows a user's own processes one by one only
        return [pair for process in psutil.process_iter() for pair in _listeners_of(process)]


def _listeners_of(process: psutil.Process) -> list[tuple[int, int]]:
    try:
        connections = process.net_connections(kind="tcp")
    except psutil.Error:
        return []
    return [(process.pid, c.laddr.port) for c in connections if c.status == psutil.CONN_LISTEN]
