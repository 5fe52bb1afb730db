"""A WebSocket client that reads when it is told to; its frames are wsproto's, so the server is read by other eyes."""

import json
import socket
import time
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)

LIMIT_S = 60.0


class Refused(Exception):
    """The handshake was answered with another status."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"{status} {body}")
        self.status = status


class Talker:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._text = ""
        self.messages: list[dict[str, Any]] = []
        self.closed: int | None = None
        self.pongs = 0
        self._refusal: RejectConnection | None = None
        self._accepted = False

    def shake(self, *, path: str = "/ws", origin: str = "") -> None:
        """Open the WebSocket. Raises Refused."""
        headers = [(b"Origin", origin.encode())] if origin else []
        host = f"127.0.0.1:{self._port}"
        self._socket.sendall(self._ws.send(Request(host=host, target=path, extra_headers=headers)))
        self.until(lambda: self._accepted)

    def say(self, **message: Any) -> None:
        self.send(TextMessage(json.dumps(message)))

    def send(self, *events: Event) -> None:
        """At once: a server that closes on one of them has read them all, so that its good-bye is not lost."""
        self._socket.sendall(b"".join(self._ws.send(event) for event in events))

    def subscribe(self, *topics: str, **more: Any) -> dict[str, Any]:
        """Subscribe and return the confirmation, or the error."""
        had = len(self.messages)
        self.say(type="subscribe", topics=list(topics), **more)
        self.until(lambda: any(m["type"] in ("subscribed", "error") for m in self.messages[had:]))
        return next(m for m in self.messages[had:] if m["type"] in ("subscribed", "error"))

    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for message in self.messages:
            found += [message["data"]] if message["type"] == "event" else message.get("events", [])
        return found

    def until(self, holds: Any) -> None:
        """Read until a condition holds; fails after LIMIT_S."""
        until_s = time.monotonic() + LIMIT_S
        while not holds():
            assert time.monotonic() < until_s, f"not within {LIMIT_S:g} s; last: {self.messages[-3:]}"
            self._socket.settimeout(max(0.01, until_s - time.monotonic()))
            data = self._socket.recv(65_536)
            if not data:
                self._ws.receive_data(None)
                self.closed = self.closed or 1006
                assert holds(), f"the connection was closed ({self.closed})"
                return
            self._ws.receive_data(data)
            for event in self._ws.events():
                self._take(event)

    def _take(self, event: Event) -> None:
        if isinstance(event, AcceptConnection):
            self._accepted = True
        elif isinstance(event, RejectConnection):
            self._refusal = event
        elif isinstance(event, RejectData):
            status = self._refusal.status_code if self._refusal else 0
            raise Refused(status, bytes(event.data).decode())
        elif isinstance(event, TextMessage):
            self._text += event.data
            if event.message_finished:
                self.messages.append(json.loads(self._text))
                self._text = ""
        elif isinstance(event, CloseConnection):
            self.closed = event.code
        elif isinstance(event, Pong):
            self.pongs += 1

    def close(self) -> None:
        self._socket.close()


__all__ = ["LIMIT_S", "BytesMessage", "Ping", "Refused", "Talker", "TextMessage"]
