"""What happens next: the pending events in one total order, and the loop that runs them.

    at(time, callback, argument) ──▶ heap of instants + event per instant ──run(until)──▶ callback(argument)

The order is (time, priority, order of scheduling), whatever was cancelled between. Most instants hold one event, so
the heap holds bare integers, which compare twice as fast as tuples; the few that share an instant stand in a tie.
Knows nothing of randomness, records or commands: `kernel.py` adds those.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush, heappushpop
from itertools import repeat
from operator import length_hint
from typing import Any

from labsvc.errors import Misuse
from labsvc.sim.instant import NEVER_US, iso

Callback = Callable[[Any], int | None]  # what it returns is the instant of its next call, None: no next call
Handle = list[Any]  # callback, argument, time_us, priority; opaque outside this module

_PURGE_FROM = 64  # below this many entries a purge costs more than it frees


class _Tie:
    """The events that share one instant."""

    __slots__ = ("handle", "live", "order", "scheduled")

    def __init__(self, run: Callable[["_Tie"], None], time_us: int) -> None:
        self.handle: Handle = [run, self, time_us, 0]
        self.order: list[tuple[int, int, Handle]] = []
        self.live: set[int] = set()  # id() of the handles in `order` that were not cancelled
        self.scheduled = 0

    def add(self, handle: Handle) -> None:
        self.scheduled += 1
        self.live.add(id(handle))
        heappush(self.order, (handle[3], self.scheduled, handle))


class EventList:
    """`now_us` is the instant of the event that runs, or the end of the last run. `executed` counts events."""

    def __init__(self, *, start_us: int = 0) -> None:
        self.now_us = start_us
        self.executed = 0
        self._gone: Handle = [self._skip, None, NEVER_US, 0]
        self._heap: list[int] = [NEVER_US]  # never empty: the loop needs no test for that
        self._due: dict[int, Handle] = {NEVER_US: self._gone}
        self._dead = 0  # instants in the heap whose event was cancelled
        self._running = False

    def at(self, time_us: int, callback: Callback, argument: Any, priority: int = 0) -> Handle:
        """Run `callback(argument)` at an instant; of one instant the lowest priority goes first, then the oldest.

        Raises Misuse for an instant that has passed.
        """
        if time_us < self.now_us:
            raise Misuse(f"cannot schedule at {time_us} us, it is {self.now_us} us ({iso(self.now_us)}) now")
        handle: Handle = [callback, argument, time_us, priority]
        if self._due.setdefault(time_us, handle) is handle:
            heappush(self._heap, time_us)
        else:
            self._tie(handle)
        return handle

    def unscheduled(self, callback: Callback, argument: Any) -> Handle:
        """A handle for an event that will be scheduled with `again`, once or many times."""
        return [callback, argument, NEVER_US, 0]

    def again(self, handle: Handle, time_us: int) -> None:
        """Schedule the event of a handle that is not pending: cheaper than `at` for what recurs."""
        if time_us < self.now_us:
            raise Misuse(f"cannot schedule at {time_us} us, it is {self.now_us} us ({iso(self.now_us)}) now")
        handle[2] = time_us
        if self._due.setdefault(time_us, handle) is handle:
            heappush(self._heap, time_us)
        else:
            self._tie(handle)

    def cancel(self, handle: Handle) -> bool:
        """Keep an event from running. False when it ran or was cancelled before; O(1), memory is given back."""
        holder = self._due.get(handle[2])
        if holder is None:
            return False
        if isinstance(holder[1], _Tie):
            live = holder[1].live
            if id(handle) not in live:
                return False
            live.remove(id(handle))
            if live:
                return True
        elif holder is not handle:
            return False
        del self._due[handle[2]]
        self._dead += 1
        if self._dead > _PURGE_FROM and self._dead * 2 > len(self._heap):
            self._purge()
        return True

    def run_until(self, until_us: int, *, limit: int = NEVER_US) -> int:
        """Run every event up to and including `until_us`, at most `limit` of them; returns how many ran.

        `now_us` is `until_us` afterwards, or the last event's instant when the limit came first.
        """
        if self._running:
            raise Misuse("run_until was called from inside an event; schedule with at() instead")
        self._running = True
        before = self.executed
        try:
            complete = self._loop(until_us, limit)
        finally:
            self._running = False
        if complete:
            self.now_us = max(self.now_us, until_us)
        return self.executed - before

    def next_us(self) -> int:
        """Instant of the next event, NEVER_US when there is none."""
        while self._heap[0] not in self._due:
            heappop(self._heap)
            self._dead -= 1
        return self._heap[0]

    def pending(self) -> list[tuple[int, int, int]]:
        """(time_us, priority, order within both) of all pending events, in the order in which they will run."""
        found = []
        for time_us in sorted(self._due):
            handle = self._due[time_us]
            if time_us == NEVER_US:
                continue
            if isinstance(handle[1], _Tie):
                live = sorted((p, n) for p, n, waiting in handle[1].order if id(waiting) in handle[1].live)
                found += [(time_us, priority, n) for n, (priority, _) in enumerate(live)]
            else:
                found.append((time_us, handle[3], 0))
        return found

    def _loop(self, until_us: int, limit: int) -> bool:
        """The hot loop; True when nothing up to `until_us` is left. Names are bound here because it pays."""
        heap, take, claim = self._heap, self._due.pop, self._due.setdefault
        pop, pushpop, gone = heappop, heappushpop, self._gone
        ticks = repeat(None, limit)  # counts without making integers
        time_us = pop(heap)
        try:
            for _ in ticks:
                if time_us > until_us:
                    self.executed -= 1
                    break
                self.now_us = time_us
                handle = take(time_us, gone)
                again_us = handle[0](handle[1])
                if again_us is None:
                    time_us = pop(heap)
                elif again_us >= time_us and claim(again_us, handle) is handle:
                    handle[2] = again_us
                    time_us = pushpop(heap, again_us)
                else:
                    self.again(handle, again_us)
                    time_us = pop(heap)
            heappush(heap, time_us)
        finally:
            self.executed += limit - length_hint(ticks)
        return time_us > until_us

    def _tie(self, handle: Handle) -> None:
        time_us = handle[2]
        if time_us >= NEVER_US:
            raise Misuse(f"cannot schedule at {time_us} us, expected an instant before {NEVER_US} us")
        holder = self._due[time_us]
        if isinstance(holder[1], _Tie):
            holder[1].add(handle)
            return
        tie = _Tie(self._run_tie, time_us)
        tie.add(holder)
        tie.add(handle)
        self._due[time_us] = tie.handle

    def _run_tie(self, tie: _Tie) -> None:
        live = tie.live  # never empty: a tie whose last event is cancelled goes with it
        handle = heappop(tie.order)[2]
        while id(handle) not in live:
            handle = heappop(tie.order)[2]
        live.remove(id(handle))
        if live:
            self._due[self.now_us] = tie.handle
            heappush(self._heap, self.now_us)
        again_us = handle[0](handle[1])
        if again_us is not None:
            self.again(handle, again_us)

    def _skip(self, _: None) -> None:
        self.executed -= 1
        self._dead -= 1

    def _purge(self) -> None:
        self._heap[:] = self._due
        heapify(self._heap)
        self._dead = 0
