"""The door of the generator: refuses requests that another site's page sends, and tells browsers to be strict.

There are no cookies, so a stranger's page could do nothing in our name anyway; this keeps it from trying. Plain ASGI.
"""

import json
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labsvc.live.wire import Caller

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
WEBSOCKET_PATH = "/ws"

HEADERS = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """Wraps the app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        reason = _refusal(scope)
        if reason:
            await _refuse(sending, reason)
            return
        await self._app(scope, receive, sending)


class Door:
    """Who may open a WebSocket; implements `wire.Door`."""

    def __init__(self, is_facilitator: Callable[[str], bool | None]) -> None:
        self._is_facilitator = is_facilitator

    def refusal(self, caller: Caller) -> tuple[int, str]:
        """404 off the path, 403 for another site's page."""
        if caller.path != WEBSOCKET_PATH:
            return 404, f"the WebSocket is at {WEBSOCKET_PATH}"
        if caller.origin and not is_same_site(caller.origin, caller.host):
            return 403, f"pages of {caller.origin[:100]} may not connect here"
        return 0, ""

    def is_facilitator(self, token: str) -> bool | None:
        """Whether a token is the facilitator's; None when that is not known yet."""
        return self._is_facilitator(token)


def is_same_site(origin: str, host: str) -> bool:
    """Whether a page of `origin` belongs to the server that was asked as `host`."""
    return bool(host) and urlsplit(origin).netloc.lower() == host.lower()


def _refusal(scope: Scope) -> str:
    if scope["method"] in SAFE_METHODS:
        return ""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    origin = headers.get(b"origin", "")
    if headers.get(b"sec-fetch-site") in ("cross-site", "same-site"):
        return "requests from another site's page are refused"
    if origin and not is_same_site(origin, headers.get(b"host", "")):
        return f"requests from a page of {origin[:100]} are refused"
    if origin and scope["method"] == "PUT":  # claiming the token is for the command line; no page of ours does it
        return "this is not for browsers; use: make facilitate"
    return ""


async def _refuse(send: Send, reason: str) -> None:
    body = json.dumps({"error": reason}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
