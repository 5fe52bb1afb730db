"""What every mode answers beside its own work: `/healthz`, `/readyz`, `/metrics`; and the counting of requests.

    uvicorn ──▶ Observed ──▶ the mode's app

Plain ASGI, outermost, so that neither faults nor a used-up pool ever reach these three paths, and counting costs
microseconds. Whose request it is (traffic.py) is told here to everything behind. Knows no lab and no mode.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labsvc import traffic
from labsvc.metrics import ROUTE, Metrics


async def nothing_missing() -> list[str]:
    return []


@dataclass(frozen=True)
class Service:
    """What a mode hands to the server."""

    role: str
    replica: str
    app: ASGIApp
    metrics: Metrics
    missing: Callable[[], Awaitable[list[str]]] = nothing_missing  # which parts are not ready, in plain words
    labs: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)  # lab → {"code", "error"}
    on_stop: Callable[[], None] = lambda: None  # let go of what is held, called when the stop begins
    also: Callable[[], Mapping[str, Any]] = dict  # what `/readyz` says beside the rest
    websocket: Callable[..., asyncio.Protocol] | None = None  # made for every upgrade; None: this mode has no WebSocket


class Observed:
    """Answers the three paths, counts everything else."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._paths = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._service.app(scope, receive, send)
            return
        answer = self._paths.get(scope["path"])
        if answer is not None:
            status, content_type, body = await answer()
            await _send(send, status, content_type, body)
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics, begun_s = self._service.metrics, time.monotonic()
        is_background = traffic.says_background(scope["headers"])
        in_flight, requests = metrics.in_flight, metrics.requests
        if is_background:
            in_flight, requests = metrics.background_in_flight, metrics.background_requests
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        in_flight.inc()
        try:
            with traffic.marked(is_background):
                await self._service.app(scope, receive, noting)
        except asyncio.CancelledError:
            # Only the end of the process cancels a request; whoever still waits gets an honest answer.
            if status == 0:
                await _send(noting, 503, "application/json", b'{"error":"the service is stopping"}')
        finally:
            in_flight.dec()
            route = scope.get(ROUTE, "unknown")
            requests.labels(route=route, method=scope["method"], status=str(status or "none")).inc()
            if is_background:
                metrics.background_seconds.observe(time.monotonic() - begun_s)

    async def _healthz(self) -> tuple[int, str, bytes]:
        return 200, "text/plain; charset=utf-8", b"ok\n"

    async def _readyz(self) -> tuple[int, str, bytes]:
        service = self._service
        missing = await service.missing()
        answer: dict[str, Any] = {
            "ready": not missing,
            "role": service.role,
            "replica": service.replica,
            "pid": os.getpid(),
            "missing": missing,
            "labs": service.labs,
            **service.also(),
        }
        return (503 if missing else 200), "application/json", json.dumps(answer).encode()

    async def _metrics(self) -> tuple[int, str, bytes]:
        return 200, "text/plain; version=0.0.4; charset=utf-8", self._service.metrics.text()


async def _send(send: Send, status: int, content_type: str, body: bytes) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
