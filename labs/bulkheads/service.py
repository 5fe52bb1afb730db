"""Given code of step 3, read-only: the route that accepts jobs, and the work itself.

    POST /jobs ──▶ Postgres ──▶ 202 and the job's id
                      ▲
    edit.work() ──claim, perform, finish

A job waits in Postgres until a slot claims it, and its result is recorded together with its end, once. A claim is a
lease of a few seconds: what a worker that died had in hand is claimed again by the next.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from labsvc.deps import Deps, Job, Reply, Request, Route

ROLE = "worker"

REPORT_BYTES = 8 * 2**20  # what a report keeps in memory from its beginning to its end


class Work:
    """How one job of each kind is done. Both ask a remote service; a report also needs memory and processor time."""

    def __init__(self, deps: Deps) -> None:
        self._notices = deps.dependency("notice")
        self._reports = deps.dependency("report")

    async def acknowledge(self, job: Job) -> Mapping[str, Any]:
        """Fast: tell a customer that the ticket has been received. Some 30 ms."""
        answer = await self._notices.post(f"/notice/{job.id}", json=dict(job.about))
        answer.raise_for_status()
        notice: dict[str, Any] = answer.json()
        return notice

    async def report(self, job: Job) -> Mapping[str, Any]:
        """Slow: write the warranty report of a house. Two seconds."""
        pages = bytearray(b".") * REPORT_BYTES
        answer = await self._reports.post(f"/report/{job.id}", json=dict(job.about))
        answer.raise_for_status()
        report: dict[str, Any] = answer.json()
        digest = await asyncio.to_thread(lambda: hashlib.sha256(pages + answer.content).hexdigest())
        return {**report, "digest": digest}


def routes(deps: Deps, edit: ModuleType) -> list[Route]:
    """The route for jobs, and two for the driver: tables in their first state before a run, the books after it."""

    async def accept(request: Request) -> Reply:
        body = request.body if isinstance(request.body, dict) else {}
        kind = body.get("kind")
        if kind not in ("fast", "slow"):
            return Reply(422, {"error": f"no kind of job {kind!r}, expected one of: fast, slow"})
        if deps.jobs.failure is not None:
            raise deps.jobs.failure
        job_id = await deps.jobs.accept(kind, {"about": body.get("about")})
        return Reply(202, {"job": job_id, "kind": kind})

    async def prepare(_request: Request) -> Reply:
        await deps.jobs.restart_empty()
        return Reply(200, {})

    async def books(_request: Request) -> Reply:
        return Reply(200, await deps.jobs.recorded())

    return [
        Route("POST", "/jobs", accept),
        Route("POST", "/jobs/prepare", prepare),
        Route("GET", "/jobs/books", books),
    ]


async def start(deps: Deps, edit: ModuleType) -> Any:
    """Begin to work jobs off, the edit's way."""
    work = Work(deps)
    return await deps.jobs.start(edit.work, {"fast": work.acknowledge, "slow": work.report})
