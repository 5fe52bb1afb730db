"""What became of every job: the worker's database on the seconds of the run, and how many ran at once.

    Record.books (as `GET /jobs/books` told it) ──▶ of() ──▶ books/jobs.py, rules, panels

The database tells epoch times of its own clock. An accepted job lies between the sending and the answer of its
request, so the requests themselves say how that clock stands to ours.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from labdriver.record import Record, Row
from labdriver.score.evidence import Claim, Evidence, steps

CLAIMED = 202


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the database has it. Times are seconds since t0, None for what has not happened."""

    id: str
    kind: str
    accepted_s: float
    started_s: float | None
    finished_s: float | None
    finishes: int  # how often it was said to be finished; only the first is recorded
    result: dict[str, Any] | None


def of(record: Record) -> dict[str, Job]:
    """Every job that the database knows, by id, in the order they were accepted."""
    told = record.books.get("jobs", [])
    offset_s = _offset_s(record, {job["id"]: job["accepted_s"] for job in told})

    def on_run(epoch_s: float | None) -> float | None:
        return None if epoch_s is None else epoch_s - offset_s

    return {
        job["id"]: Job(
            id=job["id"],
            kind=job["kind"],
            accepted_s=job["accepted_s"] - offset_s,
            started_s=on_run(job["started_s"]),
            finished_s=on_run(job["finished_s"]),
            finishes=job["finishes"],
            result=job["result"],
        )
        for job in told
    }


def id_of(row: Row) -> str:
    """The id of the job that a request was promised, empty when it was promised none."""
    if row.status != CLAIMED or row.body is None:
        return ""
    return str(row.body.get("job", ""))


def claims_of(evidence: Evidence, request: str) -> list[Claim]:
    """Claims of one kind of request. A job that is still young at the end says nothing yet and is left out."""
    known = of(evidence.record)
    names = [r.name for r in evidence.record.head.scenario.requests]

    def is_open(claim: Claim) -> bool:
        job = known.get(id_of(claim.row))
        return claim.right and job is not None and job.finished_s is None

    return [c for c in evidence.claims if names[c.row.request] == request and not is_open(c)]


def waiting(jobs: Iterable[Job]) -> list[tuple[float, int]]:
    """(time, jobs accepted and not begun from then on)."""
    return steps((job.accepted_s, job.started_s if job.started_s is not None else job.finished_s) for job in jobs)


def running(jobs: Iterable[Job]) -> list[tuple[float, int]]:
    """(time, jobs begun and not finished from then on)."""
    return steps((job.started_s, job.finished_s) for job in jobs if job.started_s is not None)


def _offset_s(record: Record, accepted: dict[str, float]) -> float:
    """The database's clock minus ours: the median over all accepted jobs; 0 without any."""
    offsets = [
        accepted[id_of(row)] - (row.sent_s + row.done_s) / 2
        for row in record.rows
        if row.sent_s is not None and row.done_s is not None and id_of(row) in accepted
    ]
    return median(offsets) if offsets else 0.0
