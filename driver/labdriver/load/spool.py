"""The bytes that the load process leaves behind for its parent: one entry when a request is sent, one when it ends.

    child: started(), finished() ──bytes──▶ a file in memory ──▶ parent: read()

Append only, so whatever was written before a kill can be read. Imports nothing of Locust and nothing heavy:
both sides use it. Times are seconds of the monotonic clock, which all processes of a machine share.
"""

import struct
from dataclasses import dataclass

ERRORS = ("", "connect", "reset", "protocol")  # what can end a request without a whole answer
KEEP_BYTES = 2048  # longer bodies are read but not kept

_STARTED = struct.Struct("<cId")  # b"S", seq, sent
_FINISHED = struct.Struct("<cIdHBI")  # b"F", seq, done, status, error, bytes of body that follow


@dataclass(slots=True)
class Entry:
    """What is known of one request. `done_mono_s` None: no answer so far."""

    sent_mono_s: float
    done_mono_s: float | None = None
    status: int = 0
    error: str = ""
    body: bytes = b""


def started(seq: int, sent_mono_s: float) -> bytes:
    return _STARTED.pack(b"S", seq, sent_mono_s)


def finished(seq: int, done_mono_s: float, *, status: int, error: str, body: bytes) -> bytes:
    return _FINISHED.pack(b"F", seq, done_mono_s, status, ERRORS.index(error), len(body)) + body


def read(data: bytes) -> dict[int, Entry]:
    """All entries by seq. A last entry cut short by a kill is left out.

    Raises ValueError when the bytes contradict themselves: ended twice, ended before sent, not an entry.
    """
    entries: dict[int, Entry] = {}
    at = 0
    while at < len(data):
        kind = data[at : at + 1]
        if kind == b"S":
            if at + _STARTED.size > len(data):
                break
            _, seq, sent = _STARTED.unpack_from(data, at)
            if seq in entries:
                raise ValueError(f"request {seq} was sent twice")
            entries[seq] = Entry(sent)
            at += _STARTED.size
        elif kind == b"F":
            at += _finish(entries, data, at)
        else:
            raise ValueError(f"byte {at} starts no entry: {kind!r}")
    return entries


def _finish(entries: dict[int, Entry], data: bytes, at: int) -> int:
    """Read one end entry; returns how many bytes to go on by."""
    head_end: int = at + _FINISHED.size
    if head_end > len(data):
        return len(data) - at
    seq, done, status, error, length = _FINISHED.unpack_from(data, at)[1:]
    end: int = head_end + length
    if end > len(data):
        return len(data) - at
    entry = entries.get(seq)
    if entry is None or entry.done_mono_s is not None:
        raise ValueError(f"request {seq} ended {'before it was sent' if entry is None else 'twice'}")
    entry.done_mono_s, entry.status, entry.error = done, status, ERRORS[error]
    entry.body = data[head_end:end]
    return end - at
