"""One WebSocket connection: from uvicorn's upgraded transport to the hub and back.

    uvicorn ──upgrade──▶ Socket ──messages──▶ Hub
                           ▲                   │
                           └──ready frames─────┘  straight to the transport: nothing is encoded a second time

wsproto does the handshake and reads what clients send. A socket that says nothing for 90 s is closed; so is one that
says too much. Whether a caller may connect, and who it is, is asked of the `Door`.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from labsvc.errors import Misuse
from labsvc.live import message
from labsvc.live.hub import Hub, Reader
from labsvc.live.topics import parse

PING_S = 30.0
SILENCE_S = 90.0
MESSAGE_LIMIT_BYTES = 16_384
MESSAGES_PER_PING = 60  # a client that says more between two pings is cut off
HIGH_WATER_BYTES = 65_536  # bytes that may wait for a slow client, beside what the kernel holds

GOING_AWAY, POLICY, TOO_BIG, TRY_AGAIN = 1001, 1008, 1009, 1013


@dataclass(frozen=True)
class Caller:
    """Who asks for a connection."""

    path: str
    host: str
    origin: str  # "" when it is not a browser
    address: str


class Door(Protocol):
    """Who may come in, and who is a facilitator."""

    def refusal(self, caller: Caller) -> tuple[int, str]:
        """Status and reason of a refusal, (0, "") for a welcome."""
        ...

    def is_facilitator(self, token: str) -> bool | None: ...


class Sockets:
    """All connections of the process, and their heartbeat."""

    def __init__(self, hub: Hub, door: Door, monotonic_s: Callable[[], float]) -> None:
        self.hub = hub
        self.door = door
        self.monotonic_s = monotonic_s
        self.open: dict[Socket, None] = {}

    def protocol(self, *, config: Any, server_state: Any, app_state: Any) -> "Socket":
        """What uvicorn calls for an upgrade."""
        return Socket(self, server_state.connections)

    def beat(self) -> None:
        """Ping who was not pinged for 30 s, cut off who said nothing for 90 s. Called about once a second."""
        now_s = self.monotonic_s()
        for socket in list(self.open):
            socket.beat(now_s)


class Socket(asyncio.Protocol):
    """One connection. Implements `Wire` for the hub."""

    __slots__ = (
        "_address",
        "_connection",
        "_heard_s",
        "_messages",
        "_owner",
        "_peers",
        "_pinged_s",
        "_reader",
        "_shake",
        "_text",
        "_transport",
        "is_full",
    )

    def __init__(self, owner: Sockets, peers: set[Any]) -> None:
        self._owner = owner
        self._peers = peers  # uvicorn's open connections: it waits for them at the end
        self._transport: Any = None
        self._shake: WSConnection | None = WSConnection(ConnectionType.SERVER)
        self._connection: Connection | None = None
        self._reader: Reader | None = None
        self._text = ""
        self._address = ""
        self._messages = 0
        self._heard_s = self._pinged_s = owner.monotonic_s()
        self.is_full = False

    # ------------------------------------------------------------------ from the transport

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._peers.add(self)
        transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if isinstance(peer, tuple) else ""

    def connection_lost(self, exc: Exception | None) -> None:
        self._peers.discard(self)
        self._owner.open.pop(self, None)
        if self._reader is not None:
            self._owner.hub.detach(self._reader)
            self._reader = None
        self._connection = self._shake = None
        self._transport = None

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False
        if self._reader is not None:
            self._owner.hub.drained(self._reader)

    def eof_received(self) -> None:
        pass

    def data_received(self, data: bytes) -> None:
        try:
            if self._connection is None:
                self._shaking(data)
            else:
                self._connection.receive_data(data)
            self._read()
        except RemoteProtocolError as error:
            self._wrong(error)
        except LocalProtocolError:
            self._cut()

    # ------------------------------------------------------------------ to the client

    def write(self, data: bytes) -> None:
        """Write ready bytes; nothing happens once the connection is gone."""
        if self._transport is not None:
            self._transport.write(data)

    def beat(self, now_s: float) -> None:
        """Heartbeat of this connection."""
        if now_s - self._heard_s > SILENCE_S:
            self._cut()
        elif now_s - self._pinged_s >= PING_S:
            self._pinged_s = now_s
            self._messages = 0
            if not self.is_full:
                self.write(message.told("ping"))

    def shutdown(self) -> None:
        """The process ends: say so, so that the client comes back at once."""
        self._close(GOING_AWAY, "the server restarts")

    # ------------------------------------------------------------------ handshake and messages

    def _shaking(self, data: bytes) -> None:
        if self._shake is None:
            return
        self._shake.receive_data(data)
        for event in self._shake.events():
            if isinstance(event, Request):
                self._answer(self._shake, event)

    def _answer(self, shake: WSConnection, request: Request) -> None:
        headers = {name.lower(): value for name, value in request.extra_headers}
        origin = headers.get(b"origin", b"").decode("latin-1")
        caller = Caller(request.target.split("?")[0], request.host, origin, self._address)
        status, reason = self._owner.door.refusal(caller)
        if not status:
            try:
                self._reader = self._owner.hub.attach(self)
            except Misuse as error:
                status, reason = 503, str(error)
        if status:
            body = (reason + "\n").encode()
            length = [(b"content-length", str(len(body)).encode()), (b"content-type", b"text/plain; charset=utf-8")]
            self.write(shake.send(RejectConnection(status_code=status, headers=length, has_body=True)))
            self.write(shake.send(RejectData(data=body)))
            self._transport.close()
            return
        self.write(shake.send(AcceptConnection()))
        self._connection, self._shake = shake.connection, None  # the handshake's parser is not needed any more
        self._owner.open[self] = None

    def _read(self) -> None:
        connection = self._connection
        if connection is None:
            return
        for event in connection.events():
            self._heard_s = self._owner.monotonic_s()
            self._take(connection, event)
            if self._transport is None or self._transport.is_closing():
                return

    def _take(self, connection: Connection, event: Event) -> None:
        if isinstance(event, TextMessage):
            self._text += event.data
            if len(self._text) > MESSAGE_LIMIT_BYTES:
                self._close(TOO_BIG, "the message is too long")
            elif event.message_finished:
                text, self._text = self._text, ""
                self._message(text)
        elif isinstance(event, BytesMessage):
            self._close(POLICY, "text messages only")
        elif isinstance(event, Ping):
            self.write(connection.send(event.response()))
        elif isinstance(event, CloseConnection):
            self.write(connection.send(event.response()))
            self._transport.close()

    def _message(self, text: str) -> None:
        self._messages += 1
        if self._messages > MESSAGES_PER_PING:
            self._close(POLICY, f"more than {MESSAGES_PER_PING} messages in {PING_S:g} s")
            return
        try:
            kind, fields = message.read(text)
            if kind == "subscribe":
                self._subscribe(message.subscribe(fields))
            elif kind == "ping":
                self.write(message.told("pong"))
            elif kind != "pong":
                raise Misuse(f"unknown type {kind[:40]!r}, expected subscribe, ping or pong")
        except Misuse as error:
            self.write(message.told("error", error=str(error)))

    def _subscribe(self, wanted: message.Subscribe) -> None:
        insight = self._owner.door.is_facilitator(wanted.token) if wanted.token else False
        if insight is None:  # this process has just begun: clients come back by themselves
            self._close(TRY_AGAIN, "tokens are not known yet")
            return
        if wanted.token and not insight:
            raise Misuse("this is not the facilitator's token; subscribe without one")
        if self._reader is not None:
            self._owner.hub.subscribe(self._reader, parse(wanted.topics), last_us=wanted.last_us, insight=insight)

    # ------------------------------------------------------------------ endings

    def _wrong(self, error: RemoteProtocolError) -> None:
        if self._connection is None:
            self.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        elif error.event_hint is not None and isinstance(error.event_hint, CloseConnection):
            self._close(error.event_hint.code, "")
        if self._transport is not None:
            self._transport.close()

    def _close(self, code: int, reason: str) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._connection is not None:
            with suppress(LocalProtocolError):  # it may be closing already
                self.write(self._connection.send(CloseConnection(code=code, reason=reason)))
        self._transport.close()

    def _cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()
