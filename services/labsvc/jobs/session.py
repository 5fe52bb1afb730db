"""What a lab's work holds in its hands: claim a job, perform it, finish it.

One session is one life of the work. When it ends, what it had claimed and not finished is given back, and whatever of
it still runs can neither claim nor finish any more.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from labsvc import traffic
from labsvc.jobs import LEASE_S, Job, Store

Perform = Callable[[Job], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, eq=False)
class _Waiter:
    """Somebody who waits for a job of these kinds; `call` is done with the kind that woke him."""

    kinds: tuple[str, ...]
    call: "asyncio.Future[str]"


class Session:
    """Jobs for one life of the work."""

    def __init__(self, store: Store, performs: Mapping[str, Perform]) -> None:
        self.holder = f"s-{secrets.token_hex(6)}"
        self._store = store
        self._performs = performs
        self._held: set[str] = set()  # ids of what was handed out and is not finished
        self._waiters: list[_Waiter] = []
        self._has_ended = False

    async def claim(self, *kinds: str) -> Job:
        """Wait for a job of these kinds and take the one that waits longest. Raises ValueError for unknown kinds."""
        self._refuse_unknown(kinds)
        while True:
            if self._has_ended:
                raise asyncio.CancelledError("the work this belonged to has ended")
            waiter = _Waiter(kinds, asyncio.get_running_loop().create_future())
            self._waiters.append(waiter)  # before looking, so that no arrival is missed in between
            try:
                job = await self._store.claim(self.holder, kinds, lease_s=LEASE_S)
                if job is not None:
                    self._held.add(job.id)
                    self._leave(waiter)
                    return job
                await waiter.call
            except BaseException:
                self._leave(waiter)
                raise

    async def perform(self, job: Job) -> dict[str, Any]:
        """Do the work of a job and return its result. Takes as long as it takes."""
        await self._store.begin(job, self.holder)
        with traffic.marked(job.is_background):
            return dict(await self._performs[job.kind](job))

    async def finish(self, job: Job, result: Mapping[str, Any]) -> bool:
        """Record a job's result and that it is finished. False when it had been finished or given back before."""
        is_recorded = await self._store.finish(job, self.holder, result)
        self._held.discard(job.id)
        return is_recorded

    async def renew(self) -> None:
        """Hold on to what was handed out. A claim that was cancelled half-way is not held: its job comes back."""
        if self._held:
            await self._store.renew(self.holder, sorted(self._held), lease_s=LEASE_S)

    async def waiting(self, *kinds: str) -> int:
        """How many jobs of these kinds wait for a slot now."""
        self._refuse_unknown(kinds)
        waiting = await self._store.waiting()
        return sum(waiting.get(kind, 0) for kind in kinds)

    def wake(self, kind: str) -> bool:
        """Let one of those who wait for this kind look again. False when nobody does."""
        for waiter in self._waiters:
            if kind in waiter.kinds and not waiter.call.done():
                self._waiters.remove(waiter)
                waiter.call.set_result(kind)
                return True
        return False

    async def end(self) -> None:
        """Give back what is not finished; whoever waits for a job is cancelled."""
        self._has_ended = True
        for waiter in self._waiters:
            waiter.call.cancel()
        self._waiters.clear()
        await self._store.release(self.holder)

    def _leave(self, waiter: _Waiter) -> None:
        """Stop waiting. A call that came too late to be of use is passed on."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif waiter.call.done() and not waiter.call.cancelled():
            self.wake(waiter.call.result())

    def _refuse_unknown(self, kinds: tuple[str, ...]) -> None:
        unknown = [kind for kind in kinds if kind not in self._performs]
        if unknown or not kinds:
            known = ", ".join(sorted(self._performs))
            raise ValueError(f"no kind {unknown[0] if unknown else ''!r}, expected one or more of: {known}")
