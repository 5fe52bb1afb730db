"""Most jobs that ran at once, from when the work on each began to when it was recorded as finished."""

from pydantic import Field

from labdriver.lab import Model
from labdriver.record import Row
from labdriver.score import jobs
from labdriver.score.evidence import Evidence
from labdriver.score.rule import Judged, Lost, Rule, linear
from labdriver.score.rules import _bulkhead


class AtOnceParams(Model):
    full_count: int = Field(ge=1)  # jobs at once up to which all points are given
    zero_count: int = Field(ge=1)  # and from which none


def evaluate(evidence: Evidence, params: AtOnceParams) -> Judged:
    """Linear from `full_count` to `zero_count`; not evaluated when no job ever ran."""
    most, t_s = _bulkhead.most_at_once(evidence)
    if most == 0:
        return Judged(None, "not evaluated: no job ever ran")
    when = f"at {t_s:.1f} s" if t_s >= 0 else "in the warm-up"
    reason = (
        f"{most} job{'s' if most > 1 else ''} ran at once, {when}, and never more (full points up to "
        f"{params.full_count}, none from {params.zero_count})"
    )
    value = linear(most, zero=params.zero_count, full=params.full_count)
    last = _begun_at(evidence, t_s) if value < 1 else None
    return Judged(value, reason, (Lost.of(last, f"its job was number {most}"),) if last else ())


def _begun_at(evidence: Evidence, t_s: float) -> Row | None:
    """The request whose job began at that moment."""
    known = jobs.of(evidence.record)
    begun = {job.id for job in known.values() if job.started_s == t_s}
    return next((row for row in evidence.record.rows if jobs.id_of(row) in begun), None)


RULE = Rule(AtOnceParams, evaluate)
