"""The messages of the WebSocket, as the source shapes them, and the bytes they are on the wire.

    server: {"type": "event", "data": E} · {"type": "batch", "events": [E, …]} · {"type": "ping"}
            {"type": "subscribed", "topics": […]} · {"type": "gap", "dropped": n} · {"type": "error", "error": "…"}
    client: {"type": "subscribe", "topics": […], "lastTimestamp": "…", "token": "…"}
            {"type": "pong"} · {"type": "ping"}, answered by {"type": "pong"}

A frame from a server is not masked, so its bytes are the same for every client: made once, written many times.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labsvc.errors import Misuse
from labsvc.live.event import Event, encoded, from_iso

_TEXT = 0x81  # one whole text message


@dataclass(frozen=True)
class Subscribe:
    """What a client asks for. `last_us` is where it stopped, None when it has no past."""

    topics: tuple[object, ...]
    last_us: int | None
    token: str


def frame(payload: bytes) -> bytes:
    """One unmasked text frame (RFC 6455, 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((_TEXT, length)) + payload
    if length < 1 << 16:
        return bytes((_TEXT, 126)) + length.to_bytes(2) + payload
    return bytes((_TEXT, 127)) + length.to_bytes(8) + payload


def events_frame(events: Sequence[Event], *, insight: bool) -> bytes:
    """The frame of one event or of several; `insight` shows the causes."""
    texts = [event.full if insight else event.plain for event in events]
    if len(texts) == 1:
        return frame(b'{"type":"event","data":' + texts[0] + b"}")
    return frame(b'{"type":"batch","events":[' + b",".join(texts) + b"]}")


def told(kind: str, **fields: Any) -> bytes:
    """The frame of any other message."""
    return frame(encoded({"type": kind, **fields}))


def read(text: str) -> tuple[str, Mapping[str, Any]]:
    """Kind and fields of a client's message. Raises Misuse in one line."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Misuse("the message is not JSON") from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise Misuse('a message is an object with a "type"')
    return value["type"], value


def subscribe(fields: Mapping[str, Any]) -> Subscribe:
    """A subscription as a client states it. Raises Misuse in one line."""
    topics, last, token = fields.get("topics"), fields.get("lastTimestamp"), fields.get("token")
    if not isinstance(topics, list):
        raise Misuse('"topics" is a list')
    if not isinstance(last, str | None) or not isinstance(token, str | None):
        raise Misuse('"lastTimestamp" and "token" are texts')
    try:
        last_us = from_iso(last) if last else None
    except (ValueError, OverflowError):
        raise Misuse(f"lastTimestamp {last[:40] if last else ''!r}, expected ISO 8601") from None
    return Subscribe(tuple(topics), last_us, token or "")
