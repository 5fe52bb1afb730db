"""Reads one HTTP/1.1 answer from a source of bytes, and trusts it in nothing.

    caller.py (sockets) ──recv()──▶ read_answer ──▶ Answer | Cut | Garbage

Content-Length, chunked, up to the end of the connection, 1xx. Only a short body is kept, a long one is read and
dropped, and past MAX_BODY_BYTES the answer counts as garbage. Knows no sockets, so tests feed it from lists.
"""

from collections.abc import Callable
from typing import NamedTuple

from labdriver.load.spool import KEEP_BYTES

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 16 * 1024 * 1024  # no lab answers with more; an endless body would hold the generator busy
MAX_INTERIM = 8  # 1xx answers before the real one

Receive = Callable[[], bytes]  # blocks; b"" at the end of the connection


class Cut(Exception):
    """The connection ended before the answer did."""


class Garbage(Exception):
    """What came is not an HTTP/1.1 answer."""


class Answer(NamedTuple):  # half a frozen dataclass's price, once a request
    """A complete answer."""

    status: int
    body: bytes  # b"" when longer than KEEP_BYTES
    length_bytes: int
    keep_alive: bool  # the connection may be used again


class _Head(NamedTuple):
    status: int
    length_bytes: int | None
    chunked: bool
    keep_alive: bool


def read_answer(receive: Receive) -> Answer:
    """Read one whole answer. Raises Cut or Garbage; what `receive` raises passes through."""
    source = _Source(receive)
    for _ in range(MAX_INTERIM):
        head = _head(source.until(b"\r\n\r\n", limit=MAX_HEAD_BYTES, begins=b"HTTP/1."))
        if head.status >= 200:
            break
        if head.status == 101:
            raise Garbage("the server switched protocols")
    else:
        raise Garbage(f"more than {MAX_INTERIM} interim answers")
    body = _Body()
    keep_alive = head.keep_alive
    if head.status in (204, 304):
        pass
    elif head.chunked:
        _chunks(source, body)
    elif head.length_bytes is not None:
        source.move(head.length_bytes, body)
    else:
        source.move_all(body)
        keep_alive = False
    return Answer(head.status, bytes(body.kept), body.length_bytes, keep_alive and source.is_empty)


class _Body:
    """Counts a body and keeps it while it is short."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.length_bytes = 0

    def take(self, part: bytes | bytearray) -> None:
        self.length_bytes += len(part)
        if self.length_bytes > MAX_BODY_BYTES:
            raise Garbage(f"the body is longer than {MAX_BODY_BYTES} bytes")
        if self.length_bytes <= KEEP_BYTES:
            self.kept += part
        else:
            self.kept.clear()


class _Source:
    """A buffer over `receive`."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        return not self._buffer

    def until(self, mark: bytes, *, limit: int, begins: bytes = b"") -> bytes:
        """Everything before `mark`, which is dropped. Gives up early when the start is not `begins`."""
        searched = 0
        while True:
            end = self._buffer.find(mark, searched)
            start = bytes(self._buffer[: len(begins)])
            if start != begins[: len(start)]:
                raise Garbage(f"expected {begins!r}, got {bytes(self._buffer[:16])!r}")
            if end >= 0:
                taken = bytes(self._buffer[:end])
                del self._buffer[: end + len(mark)]
                return taken
            if len(self._buffer) > limit:
                raise Garbage(f"no end of a head within {limit} bytes")
            searched = max(0, len(self._buffer) - len(mark) + 1)
            self._more()

    def move(self, count: int, body: _Body) -> None:
        """Move exactly `count` bytes into `body`."""
        if count > MAX_BODY_BYTES:
            raise Garbage(f"the body is announced with {count} bytes")
        while count:
            if not self._buffer:
                self._more()
            part = self._buffer[:count]
            del self._buffer[:count]
            count -= len(part)
            body.take(part)

    def move_all(self, body: _Body) -> None:
        """Move everything up to the end of the connection into `body`."""
        while True:
            body.take(self._buffer)
            self._buffer.clear()
            part = self._receive()
            if not part:
                return
            self._buffer += part

    def _more(self) -> None:
        part = self._receive()
        if not part:
            raise Cut("the connection ended before the answer did")
        self._buffer += part


def _head(text: bytes) -> _Head:
    first, *lines = text.split(b"\r\n")
    version, _, rest = first.partition(b" ")
    if version not in (b"HTTP/1.1", b"HTTP/1.0") or not rest[:3].isdigit() or rest[3:4] not in (b"", b" "):
        raise Garbage(f"not a status line: {first[:40]!r}")
    length: int | None = None
    chunked = False
    keep_alive = version == b"HTTP/1.1"
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise Garbage(f"not a header: {line[:40]!r}")
        match name.lower():
            case b"content-length":
                length = _length(value.strip(), length)
            case b"transfer-encoding":
                chunked = value.strip().lower().endswith(b"chunked")
            case b"connection":
                options = value.lower()
                keep_alive = b"close" not in options and (keep_alive or b"keep-alive" in options)
    return _Head(int(rest[:3]), length, chunked, keep_alive)


def _length(value: bytes, before: int | None) -> int:
    if not value.isdigit() or len(value) > 18 or before not in (None, int(value)):
        raise Garbage(f"not a content length: {value[:40]!r}")
    return int(value)


def _chunks(source: _Source, body: _Body) -> None:
    while True:
        size, _, _ = source.until(b"\r\n", limit=1024).partition(b";")
        try:
            count = int(size.strip(), 16)
        except ValueError as error:
            raise Garbage(f"not a chunk size: {size[:40]!r}") from error
        if count < 0:
            raise Garbage(f"not a chunk size: {size[:40]!r}")
        if count == 0:
            break
        source.move(count, body)
        if source.until(b"\r\n", limit=2):
            raise Garbage("a chunk does not end where it said")
    for _ in range(100):  # trailers
        if not source.until(b"\r\n", limit=MAX_HEAD_BYTES):
            return
    raise Garbage("more than 100 trailers")
