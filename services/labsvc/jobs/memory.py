"""Jobs in memory, for checks of lab code: the same answers as `postgres.py`, told by `time.time()`."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labsvc import traffic
from labsvc.jobs import Job


@dataclass
class Kept:
    """One job and how it stands. Times are epoch."""

    id: str
    kind: str
    about: Mapping[str, Any]
    accepted_s: float
    holder: str | None = None
    held_until_s: float = 0
    attempts: int = 0
    started_s: float | None = None
    finished_s: float | None = None
    finishes: int = 0
    result: Mapping[str, Any] | None = None

    def waits(self, now_s: float) -> bool:
        return self.finished_s is None and self.held_until_s < now_s

    @property
    def is_background(self) -> bool:
        return self.about.get(traffic.ABOUT) == traffic.BACKGROUND

    def is_held(self, job: Job, holder: str) -> bool:
        return self.holder == holder and self.attempts == job.attempt


class MemoryStore:
    """Jobs of one process, gone with it."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}  # in the order they were accepted

    async def prepare(self) -> None:
        pass

    async def wipe(self) -> None:
        self.kept.clear()

    async def add(self, job_id: str, kind: str, about: Mapping[str, Any]) -> None:
        self.kept[job_id] = Kept(job_id, kind, dict(about), time.time())

    async def claim(self, holder: str, kinds: Sequence[str], *, lease_s: float) -> Job | None:
        now_s = time.time()
        waiting = [k for k in self.kept.values() if k.kind in kinds and k.waits(now_s)]
        kept = min(waiting, key=lambda k: k.is_background, default=None)  # of equals, the first
        if kept is None:
            return None
        kept.holder, kept.held_until_s, kept.attempts = holder, now_s + lease_s, kept.attempts + 1
        return Job(kept.id, kept.kind, kept.about, kept.attempts)

    async def begin(self, job: Job, holder: str) -> None:
        kept = self.kept.get(job.id)
        if kept and kept.is_held(job, holder) and kept.finished_s is None:
            kept.started_s = time.time()

    async def finish(self, job: Job, holder: str, result: Mapping[str, Any]) -> bool:
        kept = self.kept.get(job.id)
        if kept is None or not kept.is_held(job, holder):
            return False
        kept.finishes += 1
        if kept.finishes > 1:
            return False
        kept.finished_s, kept.result = time.time(), dict(result)
        return True

    async def renew(self, holder: str, job_ids: Sequence[str], *, lease_s: float) -> None:
        for kept in self._held_by(holder):
            if kept.id in job_ids:
                kept.held_until_s = time.time() + lease_s

    async def release(self, holder: str) -> None:
        for kept in self._held_by(holder):
            kept.holder, kept.held_until_s = None, 0

    async def waiting(self) -> dict[str, int]:
        now_s = time.time()
        return dict(Counter(kept.kind for kept in self.kept.values() if kept.waits(now_s)))

    async def recorded(self) -> dict[str, Any]:
        told = ("id", "kind", "accepted_s", "started_s", "finished_s", "attempts", "finishes", "result")
        jobs = [{name: getattr(kept, name) for name in told} for kept in self.kept.values() if not kept.is_background]
        return {"now_s": time.time(), "jobs": jobs}

    def _held_by(self, holder: str) -> list[Kept]:
        return [kept for kept in self.kept.values() if kept.holder == holder and kept.finished_s is None]
