"""A wire in memory, and the reading of what the hub wrote to it."""

import json
from typing import Any


class MemoryWire:
    """Takes frames until it is full; tells what it took."""

    def __init__(self) -> None:
        self.is_full = False
        self.messages: list[dict[str, Any]] = []

    def write(self, data: bytes) -> None:
        self.messages.append(json.loads(payload(data)))

    def events(self) -> list[dict[str, Any]]:
        """Every event it got, in order."""
        found = []
        for message in self.messages:
            if message["type"] == "event":
                found.append(message["data"])
            elif message["type"] == "batch":
                found += message["events"]
        return found

    def numbers(self) -> list[int]:
        """`data.n` of every event."""
        return [event["data"]["n"] for event in self.events()]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]


def payload(frame: bytes) -> bytes:
    """The payload of one unmasked text frame; checks its header."""
    assert frame[0] == 0x81
    size, head = frame[1], 2
    if size == 126:
        size, head = int.from_bytes(frame[2:4]), 4
    elif size == 127:
        size, head = int.from_bytes(frame[2:10]), 10
    assert len(frame) == head + size
    return frame[head:]


class HandClock:
    """Time that is moved by hand."""

    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.t_s = now_s

    def now_s(self) -> float:
        return self.t_s

    def monotonic_s(self) -> float:
        return self.t_s

    async def sleep(self, delay_s: float) -> None:
        self.t_s += delay_s
