"""Step 3: one pool for everybody. This is the only file to change.

The worker does two kinds of jobs: `fast` ones acknowledge a ticket (30 ms), `slow` ones write a warranty report (two
seconds). It has memory for eight jobs at once. Change what stands between the two markers, and nothing else.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from labsvc.deps import Job


class Jobs(Protocol):
    """What the worker gives you. Accepted jobs wait in Postgres until they are claimed."""

    async def claim(self, *kinds: str) -> Job:
        """Wait for a job of these kinds and take the one that waits longest: `await jobs.claim("fast", "slow")`."""
        ...

    async def perform(self, job: Job) -> dict[str, Any]:
        """Do the work of a job and return its result."""
        ...

    async def finish(self, job: Job, result: Mapping[str, Any]) -> bool:
        """Record the result, and that the job is finished. False when it was finished before."""
        ...

    async def waiting(self, *kinds: str) -> int:
        """How many jobs of these kinds wait now."""
        ...


async def work(jobs: Jobs) -> None:
    """Work jobs off for as long as the worker runs."""
    async with asyncio.TaskGroup() as pool:
        # LAB: STEP3 TODO: eight slots take whatever comes, and slow jobs hold them all. Give each kind its own.
        async def first() -> None:
            while True:
                kinds = ("fast",) if await jobs.waiting("fast") else ("fast", "slow")
                job = await jobs.claim(*kinds)
                await jobs.finish(job, await jobs.perform(job))

        for _ in range(8):
            pool.create_task(first())
        # LAB: STEP3 END


async def slot(jobs: Jobs, *kinds: str) -> None:
    """One slot of a pool: claims a job of these kinds, does it, claims the next."""
    while True:
        job = await jobs.claim(*kinds)
        await jobs.finish(job, await jobs.perform(job))
