"""Runs one ASGI app on inherited or freshly opened sockets, until SIGTERM, SIGINT or the end of the supervisor.

    modes/<mode>.py ──Service──▶ serve() ──▶ uvicorn on every socket

The stop is graceful and bounded: requests may finish for a while, then they are cancelled, then the process leaves
whatever still hangs. A handler that blocks the event loop cannot keep the process: the limit runs in a thread.
"""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import structlog
import uvicorn
from starlette.types import Receive, Scope, Send

from labsvc.errors import EnvironmentFault
from labsvc.health import Observed, Service
from labsvc.settings import Settings

ABORT = "labsvc.abort"  # scope key: a function that cuts the caller's connection without an answer
BACKLOG = 2048
KEEPALIVE_S = 75  # longer than any client of ours keeps an idle connection, so that none is closed under a request
GRACE_S = 1.5  # how long requests may finish after the stop began
LIMIT_S = 2.8  # after this the process leaves, whatever hangs
TICKS = 14  # that the limit is counted in: a machine that stands still costs one of them, and GRACE_S ends first


class Server(uvicorn.Server):
    """uvicorn's server with a stop of our own: bounded in time, exit code 0, told to the app at once."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop
        self._loop: asyncio.AbstractEventLoop | None = None

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().serve(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the stop. Called by a signal or by the watcher's thread; the second call changes nothing."""
        if self.should_exit:
            return
        self.should_exit = True
        _leave_after(LIMIT_S)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._on_stop)

    def cut(self, scope: Scope) -> None:
        """Close the connection that a request came on, without an answer."""
        connection: Any  # uvicorn's protocols have these attributes, its types do not say so
        for connection in self.server_state.connections:
            if connection.client == scope["client"] and connection.server == scope["server"]:
                connection.transport.abort()
                return


async def serve(service: Service, settings: Settings, *, default_port: int) -> None:
    """Serve until told to stop. Raises EnvironmentFault when a socket cannot be had."""
    sockets = listening(settings, default_port=default_port)
    observed = Observed(service)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[ABORT] = lambda: server.cut(scope)
        await observed(scope, receive, send)

    config = uvicorn.Config(
        app,
        lifespan="off",
        ws=service.websocket or "none",  # type: ignore[arg-type]  # uvicorn only ever calls it
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEPALIVE_S,
    )
    config.timeout_graceful_shutdown = GRACE_S  # type: ignore[assignment]  # given to asyncio as it is
    server = Server(config, service.on_stop)
    if settings.parent_fd is not None:
        watch_parent(settings.parent_fd, lambda: server.handle_exit(signal.SIGTERM, None))
    log = structlog.get_logger()
    log.info("serving_started", listening=[_address(s) for s in sockets], pid=os.getpid())
    await server.serve(sockets=sockets)
    log.info("serving_stopped")


def listening(settings: Settings, *, default_port: int) -> list[socket.socket]:
    """The inherited sockets, or one new one on host and port."""
    if settings.listen_fds:
        try:
            return [socket.socket(fileno=fd) for fd in settings.listen_fds]
        except OSError as error:
            fds = ",".join(map(str, settings.listen_fds))
            raise EnvironmentFault(f"LAB_LISTEN_FDS={fds}: not an inherited socket ({error.strerror})") from error
    port = default_port if settings.port is None else settings.port
    try:
        return [socket.create_server((settings.host, port), backlog=BACKLOG)]
    except OSError as error:
        raise EnvironmentFault(
            f"cannot listen on {settings.host}:{port} ({error.strerror}); set LAB_PORT to a free port"
        ) from error


def watch_parent(fd: int, on_end: Callable[[], None]) -> None:
    """Call `on_end` when the other end of the pipe is gone. A thread, because the event loop may be blocked."""

    def wait() -> None:
        while os.read(fd, 1):
            pass
        on_end()

    threading.Thread(target=wait, name="parent", daemon=True).start()


def _leave_after(limit_s: float) -> None:
    def leave() -> None:
        for _ in range(TICKS):
            time.sleep(limit_s / TICKS)
        os._exit(0)

    threading.Thread(target=leave, name="limit", daemon=True).start()


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"{host}:{port}"
