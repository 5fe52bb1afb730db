"""What a Service does for a role without a port of its own: hands each connection to one of the ready replicas.

    api ──▶ Balancer (one address) ──▶ estimator-1 | estimator-2 | …

At random, as kube-proxy does. A connection without a ready replica is closed at once. Knows bytes only.
"""

import asyncio
import random
import socket
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from labdriver.stack.local.ports import HOST

CHUNK_BYTES = 65536


class Balancer:
    """One address. `ready` tells the private ports of the replicas that may be asked at this moment."""

    def __init__(self, listener: socket.socket, ready: Callable[[], Sequence[int]], *, seed: int = 1) -> None:
        self._listener = listener
        self._ready = ready
        self._dice = random.Random(seed)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._listener)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ports = self._ready()
        try:
            if ports:
                inner_reader, inner_writer = await asyncio.open_connection(HOST, self._dice.choice(ports))
                try:
                    await _first(_pass(reader, inner_writer), _pass(inner_reader, writer))
                finally:
                    inner_writer.close()
        except OSError:
            pass  # the replica has gone meanwhile; the caller sees a closed connection
        finally:
            writer.close()


async def _first(*sides: Coroutine[Any, Any, None]) -> None:
    """Until one side has ended: neither of ours speaks on after the other has closed."""
    tasks = [asyncio.create_task(side) for side in sides]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while part := await reader.read(CHUNK_BYTES):
            writer.write(part)
            await writer.drain()
