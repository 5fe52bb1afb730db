"""A server so simple that the truth about it is known: `python -m labdriver.selftest.server [--mute]`.

It answers every request at once with the same small JSON, or never (`--mute`), and notes when each one came in on
the monotonic clock. `GET /stamps` gives those moments. Ends when its stdin does. `Server` is its parent's handle.
"""

import asyncio
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from typing import Self

from labdriver.errors import EnvironmentFault

ANSWER = b'{"ok":true,"n":1}'
BACKLOG = 4096  # a stopped server takes 400 connections in the stall check


class _Protocol(asyncio.Protocol):
    """Counts a request per blank line; good for requests without a body, which are all it gets."""

    def __init__(self, stamps_s: list[float], *, mute: bool) -> None:
        self._stamps_s = stamps_s
        self._mute = mute
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now_s = time.monotonic()
        *requests, self._unread = (self._unread + data).split(b"\r\n\r\n")
        for request in requests:
            if request.startswith(b"GET /stamps"):
                self._answer(json.dumps(self._stamps_s).encode())
                continue
            self._stamps_s.append(now_s)
            if not self._mute:
                self._answer(ANSWER)

    def _answer(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)  # type: ignore[attr-defined]


async def _serve(*, mute: bool) -> None:
    loop = asyncio.get_running_loop()
    stamps_s: list[float] = []
    server = await loop.create_server(lambda: _Protocol(stamps_s, mute=mute), "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    parent_gone = asyncio.Event()
    loop.add_reader(0, parent_gone.set)
    await parent_gone.wait()


class Server:
    """The server as a child process; gone after the `with` block."""

    def __init__(self, *, mute: bool = False) -> None:
        command = [sys.executable, "-m", "labdriver.selftest.server", *(["--mute"] if mute else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        port = self._process.stdout.readline().strip()
        if not port:
            raise EnvironmentFault("the selftest's own server did not start", next_step="labdriver selftest --debug")
        self.url = f"http://127.0.0.1:{port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def stamps_s(self) -> list[float]:
        """When each request came in so far, monotonic seconds, in that order."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{self.url}/stamps", timeout=5) as answer:
            stamps: list[float] = json.load(answer)
        return stamps

    def pause(self) -> float:
        """Stop the process; returns the moment."""
        os.kill(self.pid, signal.SIGSTOP)
        return time.monotonic()

    def resume(self) -> float:
        """Let it go on; returns the moment."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)
        return time.monotonic()


if __name__ == "__main__":
    gc.disable()  # its stamps are the measure; it lives for seconds
    asyncio.run(_serve(mute="--mute" in sys.argv))
