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
from labdriver.score.evidence import Books, Claim, Evidence
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
        place = (row.body or {}).get("where")  # the worker tells which line of the edit ended the work
        return Claim(row, "failed", f"{why}: {(row.body or {}).get('error')} ({place})" if place else why)
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
        unanswered = replace(row, done_s=None, outcome="hung", status=0, error="hung")
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


def tell(evidence: Evidence, params: JobsParams) -> str:
    """What held the slots while the slowest job of the first kind waited, and what became of the others."""
    lies = len(evidence.dishonest)
    if lies:
        return f"{lies:,} of {len(evidence.claims):,} jobs were recorded as finished and were not done."
    names = [request.name for request in evidence.record.head.scenario.requests]
    by_request = {name: [c for c in evidence.claims if names[c.row.request] == name] for name in params.kinds}
    first = next(iter(by_request))
    told = [_slowest(evidence, by_request[first], first)] if by_request[first] else []
    for name, claims in by_request.items():
        never = sum(not claim.right for claim in claims)
        if never:
            told.append(f"{never:,} of {len(claims):,} {name} jobs never got done.")
        elif name != first:
            longest_ms = max((evidence.latency_ms(c.row) for c in claims), default=0)
            told.append(f"All {len(claims):,} {name} jobs got done or were under way, within {longest_ms:,.0f} ms.")
    return " ".join(told)


def _slowest(evidence: Evidence, claims: list[Claim], name: str) -> str:
    known = jobs.of(evidence.record)
    slowest = max(claims, key=lambda claim: evidence.latency_ms(claim.row)).row
    late = sum(evidence.latency_ms(claim.row) > evidence.patience_ms(claim.row) for claim in claims)
    at_s = slowest.intended_s
    busy = Counter(
        job.kind
        for job in known.values()
        if job.started_s is not None and job.started_s <= at_s and (job.finished_s is None or job.finished_s > at_s)
    )
    held = ", ".join(f"{count} {kind}" for kind, count in busy.most_common()) or "no"
    took = "took" if slowest.done_s is not None else "was not done after"
    waited = f"The slowest {name} job {took} {evidence.latency_ms(slowest):,.0f} ms"
    if not late:
        return f"{waited}, and none was late: when it came, {held} jobs were running beside it."
    return f"{waited}: when it came at {at_s:.1f} s, {held} jobs were running. {late:,} of {len(claims):,} were late."


BOOKS = Books(JobsParams, label, tell)
