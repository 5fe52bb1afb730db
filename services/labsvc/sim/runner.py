"""Runs a kernel at the clock's pace inside an asyncio loop, and applies commands between events.

    clock.due ──▶ kernel.run_until(due, a slice) ──▶ sleep until the next event is due, or until somebody wakes it

One slice is short, so that the host's other work is never kept waiting. Commands come from the same loop: they bring
the run up to date first and are applied at once. Knows no HTTP; `labsvc/live` is the host.
"""

import asyncio
from typing import Any

from labsvc.sim.clock import PAUSED, Clock
from labsvc.sim.instant import NEVER_US
from labsvc.sim.kernel import Kernel

_SLICE_EVENTS = 1000  # a few milliseconds of work
_LONGEST_WAIT_S = 0.25  # simulated time is brought up to date at least this often, so that pages can show it


class Runner:
    """The loop. `run` ends when `until_us` is reached or `stop` is called; an error of the world ends it too."""

    def __init__(self, kernel: Kernel, clock: Clock, *, slice_events: int = _SLICE_EVENTS) -> None:
        self.kernel = kernel
        self.clock = clock
        self._slice_events = slice_events
        self._stopped = False
        self._sleeper: asyncio.Future[None] | None = None

    async def run(self, *, until_us: int = NEVER_US) -> None:
        self._stopped = False
        while not self._stopped and self.kernel.now_us < until_us:
            if self.advance(until_us=until_us):
                await asyncio.sleep(0)
                continue
            if self.kernel.now_us < until_us:
                await self._sleep(self.clock.wait_s(min(self.kernel.next_us(), until_us)))

    def advance(self, *, until_us: int = NEVER_US) -> bool:
        """Run what is due, one slice of it; True when there is more that is due."""
        kernel, clock = self.kernel, self.clock
        due_us = min(clock.due_us(kernel.now_us), until_us)
        if clock.pace == PAUSED or due_us <= kernel.now_us < kernel.next_us():
            return False
        first_us = kernel.next_us()
        kernel.run_until(due_us, limit=self._slice_events)
        if first_us <= due_us:
            clock.ran(first_us, kernel.now_us)
        return kernel.next_us() <= min(clock.due_us(kernel.now_us), until_us)

    def command(self, name: str, /, **arguments: Any) -> Any:
        """Apply a command now, as `Kernel.command` does, and wake the loop for what it scheduled."""
        self.advance()
        try:
            return self.kernel.command(name, **arguments)
        finally:
            self.wake()

    def set_pace(self, pace: float) -> None:
        """Change the pace from now on. Not a command: it changes when things are seen, never what happens."""
        self.advance()
        self.clock.set_pace(pace, self.kernel.now_us)
        self.wake()

    def stop(self) -> None:
        """Let `run` return after the present slice."""
        self._stopped = True
        self.wake()

    def wake(self) -> None:
        """Look again at what is due."""
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    async def _sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._sleeper = loop.create_future()
        timer = loop.call_later(min(seconds, _LONGEST_WAIT_S), self.wake)
        try:
            await self._sleeper
        finally:
            timer.cancel()
            self._sleeper = None
