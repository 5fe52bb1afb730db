"""A server so simple that the truth about it is known: `python -m labdriver.selftest.server --seed N [--mute]`.

It notes when each request came in on the monotonic clock and answers at once with the same small JSON; `/quotes/<sku>`
takes some 40 ms and answers like a lab's service; with `--mute` nothing is ever answered. `GET /stamps` gives the
noted moments. Ends when its stdin does. `Server` is its parent's handle.
"""

import asyncio
import contextlib
import gc
import json
import math
import os
import random
import select
import signal
import subprocess
import sys
import time
import urllib.request
from typing import Self

from labdriver.errors import EnvironmentFault
from labdriver.verbs import to_type

ANSWER = b'{"ok":true,"n":1}'
START_S = 20.0  # it takes a tenth of a second on an idle machine
BACKLOG = 4096  # a stopped server takes 400 connections
QUOTE_MEDIAN_S, QUOTE_SIGMA = 0.04, 0.3  # as the labs' dependency in health


class _Protocol(asyncio.Protocol):
    """Takes a blank line for the end of a request; good for requests without a body, which are all it gets."""

    def __init__(self, stamps_s: list[float], draw: random.Random, *, mute: bool) -> None:
        self._stamps_s = stamps_s
        self._draw = draw
        self._mute = mute
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now_s = time.monotonic()
        *requests, self._unread = (self._unread + data).split(b"\r\n\r\n")
        for request in requests:
            if request.startswith(b"GET /stamps"):
                self._answer(json.dumps(self._stamps_s).encode())
                continue
            self._stamps_s.append(now_s)
            if self._mute:
                continue
            if request.startswith(b"GET /quotes/"):
                body = _quote(request, len(self._stamps_s))
                delay_s = self._draw.lognormvariate(math.log(QUOTE_MEDIAN_S), QUOTE_SIGMA)
                asyncio.get_running_loop().call_later(delay_s, self._answer, body)
            else:
                self._answer(ANSWER)

    def _answer(self, body: bytes) -> None:
        if not self._transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            self._transport.write(head + body)


def _quote(request: bytes, n: int) -> bytes:
    sku = request.split(b" ")[1].rpartition(b"/")[2].decode()
    return json.dumps({"sku": sku, "price_cents": n, "currency": "EUR", "price_ref": f"p{n}", "stale": False}).encode()


async def _serve(*, mute: bool, seed: int) -> None:
    loop = asyncio.get_running_loop()
    stamps_s: list[float] = []
    draw = random.Random(seed)
    server = await loop.create_server(lambda: _Protocol(stamps_s, draw, mute=mute), "127.0.0.1", 0, backlog=BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    parent_gone = asyncio.Event()
    loop.add_reader(0, parent_gone.set)
    await parent_gone.wait()


class Server:
    """The server as a child process; gone after the `with` block."""

    def __init__(self, *, mute: bool = False, seed: int = 1) -> None:
        command = [
            sys.executable,
            "-m",
            "labdriver.selftest.server",
            "--seed",
            str(seed),
            *(["--mute"] if mute else []),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        said = select.select([self._process.stdout], [], [], START_S)[0]
        port = self._process.stdout.readline().strip() if said else ""
        if not port:
            self.__exit__()
            raise EnvironmentFault("the selftest's own server did not start", next_step=to_type("--debug", "selftest"))
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
    asyncio.run(_serve(mute="--mute" in sys.argv, seed=int(sys.argv[2])))
