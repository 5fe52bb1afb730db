"""How long jobs of one kind take from being due to being done: a percentile, unfinished ones at their age."""

from pydantic import Field

from labdriver.score import jobs
from labdriver.score.evidence import Evidence, percentile
from labdriver.score.rule import Judged, Lost, Rule, linear
from labdriver.score.rules import _bulkhead


class CompletionTailParams(_bulkhead.GateParams):
    percentile: float = Field(gt=0, le=100)
    full_ms: float = Field(gt=0)  # full points up to here
    zero_ms: float = Field(gt=0)  # none from here on


def evaluate(evidence: Evidence, params: CompletionTailParams) -> Judged:
    """Linear from `full_ms` down to `zero_ms`, behind the gate."""
    claims = jobs.claims_of(evidence, params.request)
    found = percentile([(evidence.record.latency_s(c.row), c.row.done_s is None) for c in claims], params.percentile)
    if found is None:
        return Judged(None, f"not evaluated: no {params.request} was due")
    value = linear(found.value_s * 1000, zero=params.zero_ms, full=params.full_ms)
    reason = (
        f"p{params.percentile:g} of {params.request} jobs is {found.ms()} (full points up to {params.full_ms:,.0f} ms, "
        f"none from {params.zero_ms:,.0f} ms)"
    )
    late = [c.row for c in claims if evidence.latency_ms(c.row) > params.full_ms] if value < 1 else []
    lost = tuple(
        Lost.of(row, f"{'unfinished' if row.done_s is None else 'done'} after {evidence.latency_ms(row):,.0f} ms")
        for row in late
    )
    return _bulkhead.behind(evidence, params, Judged(value, reason, lost))


RULE = Rule(CompletionTailParams, evaluate)
