"""One connection without a network: heartbeat, silence, a full transport, the end of the process."""

import json
from typing import Any

import pytest
from tests.services.live.wires import HandClock
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage

from labsvc.live.hub import Hub
from labsvc.live.wire import Caller, Socket, Sockets


class Transport:
    """Takes what a socket writes."""

    def __init__(self) -> None:
        self.written = b""
        self.is_aborted = False
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def set_write_buffer_limits(self, *, high: int) -> None:
        self.high = high

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1)

    def is_closing(self) -> bool:
        return self.is_aborted or self.is_closed

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_closed = True


class Open:
    """A door for everybody; the facilitator's token is `key`, of `later` it is not known yet."""

    def refusal(self, caller: Caller) -> tuple[int, str]:
        return 0, ""

    def is_facilitator(self, token: str) -> bool | None:
        return None if token == "later" else token == "key"


class Line:
    """A client on a transport in memory."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.hub = Hub(self.clock)
        self.sockets = Sockets(self.hub, Open(), self.clock.monotonic_s)
        self.peers: set[Any] = set()
        self.transport = Transport()
        self.socket = Socket(self.sockets, self.peers)
        self.socket.connection_made(self.transport)
        self.client = WSConnection(ConnectionType.CLIENT)
        self.socket.data_received(self.client.send(Request(host="board", target="/ws")))
        assert isinstance(self.read()[0], AcceptConnection)

    def say(self, **message: Any) -> None:
        self.socket.data_received(self.client.send(TextMessage(json.dumps(message))))

    def read(self) -> list[Any]:
        """What was written since the last time; messages as objects."""
        data, self.transport.written = self.transport.written, b""
        self.client.receive_data(data)
        return [json.loads(e.data) if isinstance(e, TextMessage) else e for e in self.client.events()]


@pytest.fixture
def line() -> Line:
    return Line()


def test_ping_every_thirty_seconds_and_end_after_ninety_of_silence(line: Line) -> None:
    """Who answers stays, who is silent is cut off."""
    pings = 0
    for _ in range(89):
        line.clock.t_s += 1
        line.sockets.beat()
        pings += len(line.read())
    assert (pings, line.transport.is_aborted) == (2, False)
    line.clock.t_s += 2
    line.sockets.beat()
    assert line.transport.is_aborted


def test_pong_keeps_the_connection(line: Line) -> None:
    """Any word counts as a sign of life."""
    for _ in range(600):
        line.clock.t_s += 1
        line.sockets.beat()
        if {"type": "ping"} in line.read():
            line.say(type="pong")
    assert not line.transport.is_closing()


def test_full_transport_holds_frames_back_until_it_drains(line: Line) -> None:
    """Between `pause_writing` and `resume_writing` nothing is written, not even a ping."""
    line.say(type="subscribe", topics=["*"])
    line.read()
    line.socket.pause_writing()
    for number in range(5):
        line.hub.publish("orders.placed", {"n": number})
        line.hub.flush()
    line.clock.t_s += 31
    line.sockets.beat()
    assert line.transport.written == b""
    line.socket.resume_writing()
    assert [event["data"]["n"] for event in line.read()[0]["events"]] == list(range(5))


def test_message_in_pieces_is_one_message(line: Line) -> None:
    """Fragments are put together."""
    text = json.dumps({"type": "subscribe", "topics": ["*"]})
    for piece, last in ((text[:9], False), (text[9:], True)):
        line.socket.data_received(line.client.send(TextMessage(piece, message_finished=last)))
    assert line.read()[0]["type"] == "subscribed"


def test_close_is_answered_and_forgotten(line: Line) -> None:
    """A client that says good-bye is answered; nothing of it stays behind."""
    line.say(type="subscribe", topics=["*"])
    line.read()
    line.socket.data_received(line.client.send(CloseConnection(code=1000)))
    assert isinstance(line.read()[0], CloseConnection)
    assert line.transport.is_closed
    line.socket.connection_lost(None)
    assert (line.peers, line.sockets.open, line.hub.figures()["clients"]) == (set(), {}, 0)
    assert line.hub.figures()["channels"] == 0
    line.socket.write(b"late")


def test_end_of_the_process_is_told(line: Line) -> None:
    """Clients learn that the server goes away, so that they come back at once."""
    line.socket.shutdown()
    (told,) = line.read()
    assert (told.code, line.transport.is_closed) == (1001, True)


def test_token_that_cannot_be_judged_yet_is_not_called_wrong(line: Line) -> None:
    """A wrong token is told, a right one subscribes; before the database was asked the client is to come back."""
    for token, kind in (("wrong", "error"), ("key", "subscribed")):
        line.say(type="subscribe", topics=["*"], token=token)
        assert line.read()[0]["type"] == kind
    line.say(type="subscribe", topics=["*"], token="later")
    (told,) = line.read()
    assert (told.code, line.transport.is_closed) == (1013, True)


def test_garbage_ends_the_connection(line: Line) -> None:
    """Bytes that are no frame are a protocol error, not a crash."""
    line.socket.data_received(b"\xff\xff\xff\xff\xff")
    assert line.transport.is_closing()


def test_garbage_instead_of_a_handshake_is_refused() -> None:
    """No upgrade without a key."""
    sockets = Sockets(Hub(HandClock()), Open(), HandClock().monotonic_s)
    socket, transport = Socket(sockets, set()), Transport()
    socket.connection_made(transport)
    socket.data_received(b"GET /ws HTTP/1.1\r\nHost: board\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
    assert transport.written.startswith(b"HTTP/1.1 400")
    assert transport.is_closed
