"""Jobs that are kept in Postgres until they are done: accepted once, claimed under a lease, finished once.

    accept() ──▶ Store (postgres.py; memory.py in checks) ◀──claim, perform, finish── Session ◀── a lab's work
                                                    └── Desk: renews leases, wakes who waits, starts the work again

Nothing is lost with a process: what it had claimed and not finished is claimable again when its lease ends, a few
seconds later. Knows no lab and no web server; a lab says what kinds of jobs there are and how each is done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from labsvc import traffic

LEASE_S = 3.0  # how long a claim holds without being renewed


@dataclass(frozen=True)
class Job:
    """One job, as whoever claimed it sees it."""

    id: str
    kind: str
    about: Mapping[str, Any]  # what it is to be done with, as it was accepted
    attempt: int  # from 1; a job that was given back or whose worker died is claimed again

    @property
    def is_background(self) -> bool:
        """True when the live business gave it; such jobs come after all others and stand in no books."""
        return self.about.get(traffic.ABOUT) == traffic.BACKGROUND


class Store(Protocol):
    """Where jobs are kept. Its clock is the only one that their times are told by."""

    async def prepare(self) -> None:
        """Make sure that the tables exist."""
        ...

    async def wipe(self) -> None:
        """Forget all jobs and effects."""
        ...

    async def add(self, job_id: str, kind: str, about: Mapping[str, Any]) -> None:
        """Keep a new job. It is safe when this returns."""
        ...

    async def claim(self, holder: str, kinds: Sequence[str], *, lease_s: float) -> Job | None:
        """Claim the job of these kinds that waits longest, the live business's last; None when none waits."""
        ...

    async def begin(self, job: Job, holder: str) -> None:
        """Note that the work on a claimed job begins now."""
        ...

    async def finish(self, job: Job, holder: str, result: Mapping[str, Any]) -> bool:
        """Record the effect and the end of a job, both or neither.

        False when nothing was recorded: the claim had ended, or the job was finished before.
        """
        ...

    async def renew(self, holder: str, job_ids: Sequence[str], *, lease_s: float) -> None:
        """Hold on to these jobs, as far as `holder` still has them."""
        ...

    async def release(self, holder: str) -> None:
        """Give back everything that `holder` has claimed and not finished."""
        ...

    async def waiting(self) -> dict[str, int]:
        """Jobs that can be claimed now, by kind; a kind without any may be missing."""
        ...

    async def recorded(self) -> dict[str, Any]:
        """`{"now_s", "jobs": [{"id", "kind", "accepted_s", "started_s", "finished_s", "attempts", "finishes",
        "result"}]}`, as they are recorded; the live business's are left out.

        Epoch times of the store's own clock, None where it has not happened. `result` is the recorded effect.
        """
        ...
