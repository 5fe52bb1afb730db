"""One keep-alive connection to a service, on gevent's loop but below its sockets.

    caller.py ──▶ Connection.call(bytes) ──▶ answer.py

Plain non-blocking sockets with one watcher each cost a third of gevent's own and let an idle connection be looked
at before it is used again. Knows no requests, no rows. Never follows proxies or redirects.
"""

import errno
import os
import select
import socket
import time
from collections.abc import Sequence
from typing import Any

from gevent import monkey
from gevent.hub import Hub

from labdriver.load.answer import Answer, Cut, read_answer

READ, WRITE = 1, 2  # libev's event bits
RECEIVE_BYTES = 65536
MAX_USES = 20  # then a new connection, as real callers come and go: a replica that has joined gets its share
STALE_WINDOW_S = 0.1  # a reused connection that ends this soon after a send had been given up by the server before

Address = tuple[int, Any]  # family, address


class ConnectFailed(Exception):
    """No address could be connected."""


class Connection:
    """At most one open socket; opened when first needed and again when the server closed it."""

    def __init__(self, hub: Hub, addresses: Sequence[Address]) -> None:
        self._hub = hub
        self._addresses = addresses
        self._socket: socket.socket | None = None
        self._readable: Any = None
        self._idle: Any = None
        self._has_begun = False  # a byte of the present answer has come
        self._uses = 0
        self.stale_retries = 0

    def call(self, request: bytes, *, repeatable: bool) -> Answer:
        """Send `request` and read its answer. Raises ConnectFailed, Cut, Garbage or OSError; then it is closed.

        A repeatable request is sent once more on a new socket when a reused one turns out to have been closed
        meanwhile: it ended at once and not a byte came.
        """
        reused = self._is_usable()
        try:
            if not reused:
                self._open()
            sent_s = time.monotonic()
            try:
                answer = self._exchange(request)
            except (Cut, ConnectionError):
                stale = reused and not self._has_begun and time.monotonic() - sent_s < STALE_WINDOW_S
                if not (stale and repeatable):
                    raise
                self.stale_retries += 1
                self._open()
                answer = self._exchange(request)
        except BaseException:
            self.close()
            raise
        self._uses += 1
        if not answer.keep_alive or self._uses >= MAX_USES:
            self.close()
        return answer

    def close(self) -> None:
        if self._socket is not None:
            self._readable.stop()
            self._readable.close()
            self._socket.close()
            self._socket = None

    def _is_usable(self) -> bool:
        """Whether an idle socket is still open: it must have nothing to say, not even its end."""
        if self._socket is None:
            return False
        if self._idle.poll(0):
            self.close()
            return False
        return True

    def _open(self) -> None:
        self.close()
        why: OSError | None = None
        for family, address in self._addresses:
            try:
                self._connect(family, address)
                return
            except OSError as error:
                why = error
        raise ConnectFailed(str(why or "the host name is unknown"))

    def _connect(self, family: int, address: Any) -> None:
        plain = monkey.get_original("socket", "socket")(family, socket.SOCK_STREAM)
        try:
            plain.setblocking(False)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = plain.connect_ex(address)
            if code == errno.EINPROGRESS:
                self._wait(plain.fileno(), WRITE)
                code = plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                raise OSError(code, os.strerror(code))
        except BaseException:
            plain.close()
            raise
        self._socket = plain
        self._uses = 0
        self._readable = self._hub.loop.io(plain.fileno(), READ)
        self._idle = monkey.get_original("select", "poll")()  # asks at once; looking into the socket raises each time
        self._idle.register(plain.fileno(), select.POLLIN)

    def _exchange(self, request: bytes) -> Answer:
        self._has_begun = False
        self._send(request)
        return read_answer(self._receive)

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        while True:
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
            self._wait(self._socket.fileno(), WRITE)

    def _receive(self) -> bytes:
        """The next bytes. Always waits for them first: trying costs more than it saves, and a server that sends
        without end must not keep the loop from the dispatcher.
        """
        assert self._socket is not None
        while True:
            self._hub.wait(self._readable)
            try:
                part = self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:  # woken for nothing
                continue
            self._has_begun = self._has_begun or bool(part)
            return part

    def _wait(self, fd: int, events: int) -> None:
        watcher = self._hub.loop.io(fd, events)
        try:
            self._hub.wait(watcher)
        finally:
            watcher.close()


def resolve(host: str, port: int) -> list[Address]:
    """All addresses of a host, IPv4 first; empty when its name is unknown."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return []
    # the stack listens on 127.0.0.1 only, so trying ::1 first would cost every connection a refusal
    return [(family, address) for family, _, _, _, address in sorted(found, key=lambda f: f[0] != socket.AF_INET)]
