"""A small scenario, and servers that behave badly in known ways."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labdriver.lab import Scenario

MakeScenario = Callable[..., Scenario]
Behave = Callable[[socket.socket, bytes], None]  # what a server does with a request it has read
Serve = Callable[[Behave], str]

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}'


@pytest.fixture
def make_scenario() -> MakeScenario:
    """A scenario of one phase, one request and one client; any field can be replaced."""

    def make(*, rate_rps: float = 50, duration_s: float = 0.2, **fields: Any) -> Scenario:
        given = {
            "schema_version": 1,
            "step": 1,
            "title": "t",
            "question": "q",
            "edit": "edit.py",
            "roles": ["api"],
            "seed": 1,
            "warm_up_s": 0,
            "settle_s": 30,  # ends with the last answer; a test of requests that hang asks for less
            "phases": [{"name": "only", "kind": "healthy", "duration_s": duration_s, "rate_rps": rate_rps}],
            "requests": [{"name": "quote", "path": "/quotes/oak"}],
            "clients": [{"name": "phone", "share_ratio": 1, "headers": {"User-Agent": "Phone/1.0"}}],
            "books": {"books": "none"},
            "rules": [{"id": "r", "rule": "success", "title": "t", "points": 100}],
        }
        return Scenario.model_validate(given | fields)

    return make


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that hand every request to a behaviour; all are gone after the test."""
    listeners: list[socket.socket] = []
    accepting: list[threading.Thread] = []
    accepted: list[socket.socket] = []

    def start(behave: Behave) -> str:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        listeners.append(listener)
        accepting.append(threading.Thread(target=_accept, args=(listener, behave, accepted), daemon=True))
        accepting[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    _close(listeners)
    for thread in accepting:
        thread.join(5)  # who was accepted last is closed too, or it would be found open in another test
    _close(accepted)


def _close(sockets: list[socket.socket]) -> None:
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()


def _accept(listener: socket.socket, behave: Behave, accepted: list[socket.socket]) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            accepted.append(client)
            threading.Thread(target=_talk, args=(client, behave), daemon=True).start()


def _talk(client: socket.socket, behave: Behave) -> None:
    unread = b""
    with contextlib.suppress(OSError):
        while part := client.recv(65536):
            *requests, unread = (unread + part).split(b"\r\n\r\n")
            for request in requests:
                behave(client, request)


@pytest.fixture
def reset() -> Behave:
    """Cuts the connection hard."""

    def behave(client: socket.socket, request: bytes) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()

    return behave


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], None]:
    """Wait for a condition, a minute at most."""

    def wait(holds: Callable[[], bool]) -> None:
        until_s = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < until_s, "the condition did not come true within a minute"
            time.sleep(0.01)

    return wait
