"""One call on its way through depsim: how long it should take, and whether the caller is still there.

    app.py ──Turn──▶ faults/<kind>.py | the healthy way ──Ending──▶ app.py ──▶ wire and ledger

Every wait ends at once when the caller leaves. Knows no script and no wire.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labsvc.depsim.ledger import ANSWERED, Entry, Ledger


@dataclass(frozen=True)
class Ending:
    """How a call ends on the wire. `status` 0: the connection is cut without an answer."""

    status: int = 0
    body: Mapping[str, Any] | None = None
    every_ms: float = 0  # > 0: the body goes out byte by byte, this far apart
    outcome: str = ANSWERED  # what the ledger says


class Turn:
    """The waiting side of one call."""

    def __init__(
        self,
        entry: Entry,
        ledger: Ledger,
        *,
        latency_s: float,
        answer: Callable[[], dict[str, Any]],
        left: "asyncio.Future[None]",
        let_go: "asyncio.Future[None]",
    ) -> None:
        self.entry = entry
        self.latency_s = latency_s  # drawn for this call
        self.answer = answer  # makes the true answer, as of now
        self.left = left  # done when the caller has left
        self.let_go = let_go  # done when the script is gone or the process stops
        self._ledger = ledger

    def injected(self, kind: str) -> None:
        """Count a fault at the moment when it lands."""
        self._ledger.injected(self.entry, kind)

    async def pause(self, delay_s: float) -> bool:
        """Wait. False when the caller left meanwhile."""
        await asyncio.wait({self.left}, timeout=delay_s)
        return not self.left.done()

    async def hold(self, delay_s: float | None = None) -> bool:
        """Wait, without end if there is no delay. False when the caller left or the script let go."""
        await asyncio.wait({self.left, self.let_go}, timeout=delay_s, return_when=asyncio.FIRST_COMPLETED)
        return not (self.left.done() or self.let_go.done())
