"""Jobs: every job that was accepted must be done once, for real, and recorded as done.

A row that claims success carries `{"job", "kind"}`. The job stands in the worker's database with the result of its
work, whose reference finds the call in the dependency's ledger; the rest must agree with it. What counts as the end
of the request is the end of its job: the claim's row is the row with that time.
"""

from collections import Counter
from dataclasses import dataclass, replace

from pydantic import Field

from labdriver.lab import Model, Name
from labdriver.record import Call, Record, Row
from labdriver.score import jobs
from labdriver.score.books import _ledger
from labdriver.score.evidence import Books, Claim
from labdriver.score.jobs import Job


class KindParams(Model):
    """What is expected of the jobs of one kind of request."""

    kind: Name
    operation: Name  # of the dependency, which every job of this kind calls once
    reference: Name  # in the answer of that call, and so in the job's result
    young_s: float = Field(ge=0)  # an unfinished job that is no older at the end of the run is not held against anyone


class JobsParams(Model):
    kinds: dict[Name, KindParams] = Field(min_length=1)  # request → its jobs


@dataclass(frozen=True)
class _Ledger:
    """The dependency's whole answers to one kind of job."""

    by_reference: dict[str, Call]
    answers: Counter[str]  # job id → how many


def label(record: Record, params: JobsParams) -> list[Claim]:
    """Label every scored row. Pure."""
    known = jobs.of(record)
    ledgers = {name: _ledger_of(record, kind) for name, kind in params.kinds.items()}
    names = [request.name for request in record.head.scenario.requests]
    return [
        _claim(record, row, known, params.kinds[names[row.request]], ledgers[names[row.request]])
        for row in record.scored()
    ]


def _claim(record: Record, row: Row, known: dict[str, Job], kind: KindParams, ledger: _Ledger) -> Claim:
    why = _ledger.no_answer(record, row)
    if why:
        return Claim(row, "failed", why)
    job_id = jobs.id_of(row)
    if not job_id:
        return Claim(row, "dishonest", f"answered {row.status} without a job")
    job = known.get(job_id)
    if job is None or job.kind != kind.kind:
        return Claim(row, "dishonest", f"{kind.kind} job {job_id} was accepted and is not in the database")
    if job.finished_s is None:
        age_s = record.head.end_s - job.accepted_s
        if age_s <= kind.young_s:
            return Claim(row, "good", "")
        state = "never started" if job.started_s is None else f"started at {job.started_s:.1f} s and not finished"
        unanswered = replace(row, done_s=None, outcome="hung")
        return Claim(unanswered, "failed", f"{state}, {age_s:.1f} s after it was accepted")
    done = replace(row, done_s=job.finished_s)
    false = _false(job, kind, ledger)
    if false:
        return Claim(done, "dishonest", false)
    times = max(job.finishes, ledger.answers[job.id])
    return Claim(done, "good", "") if times == 1 else Claim(done, "failed", f"done {times} times")


def _false(job: Job, kind: KindParams, ledger: _Ledger) -> str:
    """Why a finished job was not really done, empty when it was."""
    result = job.result or {}
    reference = result.get(kind.reference)
    call = ledger.by_reference.get(reference) if isinstance(reference, str) else None
    if call is None or call.answer is None:
        return f"recorded as finished, but no answer of {kind.operation} stands behind it"
    if call.key != job.id:
        return f"recorded with the {kind.operation} of job {call.key}"
    wrong = [name for name, value in call.answer.items() if result.get(name) != value]
    if wrong:
        return f"{wrong[0]} is {result.get(wrong[0])!r}, {kind.operation} said {call.answer[wrong[0]]!r}"
    answered_s = _ledger.answered_at_s(call)
    if job.finished_s is not None and answered_s > job.finished_s + _ledger.SLACK_S:
        return f"recorded as finished {answered_s - job.finished_s:.1f} s before {kind.operation} had answered"
    return ""


def _ledger_of(record: Record, kind: KindParams) -> _Ledger:
    found = _ledger.by_reference(record.calls, operation=kind.operation, reference=kind.reference)
    return _Ledger(found, Counter(call.key for call in found.values()))


BOOKS = Books(JobsParams, label)
