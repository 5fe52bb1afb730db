"""Real service processes on inherited sockets, as the supervisor starts them."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import httpx
import pytest

SERVICES = Path(__file__).resolve().parents[2] / "services"
READY_S = 60.0


@dataclass
class Service:
    """One running mode."""

    process: subprocess.Popen[bytes]
    url: str
    lifeline: FileIO  # the write end of the parent's pipe

    def http(self, *, timeout_s: float | None = READY_S) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=timeout_s, trust_env=False)


Start = Callable[..., Service]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start modes; all of them are ended afterwards."""
    with ExitStack() as ending:

        def started(mode: str, **settings: str) -> Service:
            return _started(ending, mode, settings)

        yield started


def _started(ending: ExitStack, mode: str, settings: dict[str, str]) -> Service:
    listener = ending.enter_context(socket.create_server(("127.0.0.1", 0)))
    its_end, our_end = os.pipe()
    ours = ending.enter_context(FileIO(our_end, "wb"))
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SERVICES)}
    env |= {"LAB_LISTEN_FDS": str(listener.fileno()), "LAB_PARENT_FD": str(its_end), **settings}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "labsvc.cli", mode],
        env=env,
        pass_fds=(listener.fileno(), its_end),
        stdout=subprocess.DEVNULL,
    )
    os.close(its_end)
    ending.callback(process.wait, READY_S)
    ending.callback(process.kill)
    service = Service(process, f"http://127.0.0.1:{listener.getsockname()[1]}", ours)
    with service.http(timeout_s=READY_S) as http:
        assert http.get("/healthz").status_code == 200  # the socket listens already: the answer comes when it serves
    return service
