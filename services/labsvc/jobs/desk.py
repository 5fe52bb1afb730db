"""Takes jobs in, and keeps a lab's work going for as long as the process serves.

    accept() ──▶ Store ──wake──▶ Session ◀── work(session), started again when it fails

Once a second it renews what the session holds, and wakes it for jobs that became claimable without a call: those of a
worker that died. A failure of the work is kept, so that whoever asks can be told file and line.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Self

import structlog

from labsvc import traffic
from labsvc.jobs import Store
from labsvc.jobs.session import Perform, Session

TICK_S = 1.0
PAUSE_S = 1.0  # before work that failed is started again
END_S = 0.3  # for work that was told to end

Work = Callable[[Session], Awaitable[None]]


class Desk:
    """The jobs of one process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._log = structlog.get_logger()
        self._work: Work | None = None
        self._performs: Mapping[str, Perform] = {}
        self._session: Session | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None

    @property
    def failure(self) -> BaseException | None:
        """What ended the work, while nobody works jobs off; None while it goes on."""
        return self._failure

    async def accept(self, kind: str, about: Mapping[str, Any]) -> str:
        """Keep a new job; its id. It is safe when this returns. A job of the live business is marked as such."""
        job_id = f"j-{secrets.token_hex(8)}"
        mark = {traffic.ABOUT: traffic.BACKGROUND} if traffic.is_background() else {}
        await self._store.add(job_id, kind, {**about, **mark})
        if self._session is not None:
            self._session.wake(kind)
        return job_id

    async def start(self, work: Work, performs: Mapping[str, Perform]) -> Self:
        """Begin to work jobs off: `work` decides in which order and how many at once, `performs` does one of a kind."""
        self._work, self._performs = work, performs
        await self._store.prepare()
        self._begin()
        return self

    async def stop(self) -> None:
        """End the work and give back what it had not finished."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=END_S)
        session, self._session = self._session, None
        if session is not None:
            await session.end()

    async def restart_empty(self) -> None:
        """Forget all jobs and begin the work anew: what ran for older jobs holds no slot any more."""
        await self.stop()
        await self._store.prepare()
        await self._store.wipe()
        if self._work is not None:
            self._begin()

    async def recorded(self) -> dict[str, Any]:
        """As `Store.recorded`."""
        return await self._store.recorded()

    def _begin(self) -> None:
        self._failure = None
        self._tasks = [asyncio.create_task(self._keep_working()), asyncio.create_task(self._keep_holding())]

    async def _keep_working(self) -> None:
        assert self._work is not None
        while True:
            session = self._session = Session(self._store, self._performs)
            try:
                await self._work(session)
                raise RuntimeError("the work has come back, so nobody works jobs off: it must go on")
            except Exception as error:
                self._failure = _first(error)
                self._log.error("work_failed", error=f"{type(self._failure).__name__}: {self._failure}")
            with suppress(Exception):  # a database that is away: the leases end by themselves
                await session.end()
            with suppress(Exception):  # a database that is new: on a cluster the tables go with its pod
                await self._store.prepare()
            await asyncio.sleep(PAUSE_S)
            self._failure = None

    async def _keep_holding(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            session = self._session
            if session is None:
                continue
            try:
                await session.renew()
                for kind, count in (await self._store.waiting()).items():
                    for _ in range(count):
                        if not session.wake(kind):
                            break
            except Exception as error:
                self._log.warning("jobs_not_reached", error=f"{type(error).__name__}: {error}")


def _first(error: Exception) -> BaseException:
    """The first real error inside what a task group raises."""
    found: BaseException = error
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
