"""How long people wait: a percentile over all scored requests, unanswered ones at their age."""

from typing import Literal

from pydantic import Field

from labdriver.score.evidence import Evidence, percentile
from labdriver.score.rule import Judged, Lost, Rule, linear
from labdriver.score.rules import _gate


class LatencyParams(_gate.GateParams):
    percentile: float = Field(gt=0, le=100)
    full_ms: float = Field(gt=0)  # full points up to here
    zero_ms: float = Field(gt=0)  # none from here on
    kinds: tuple[Literal["healthy", "fault", "recovery"], ...] = ("healthy", "fault", "recovery")
    skip_s: float = Field(default=0, ge=0)  # of each phase, at its start


def evaluate(evidence: Evidence, params: LatencyParams) -> Judged:
    """Linear from `full_ms` down to `zero_ms`, behind the gate."""
    claims = evidence.in_kinds(params.kinds, skip_s=params.skip_s)
    waits = [(evidence.record.latency_s(claim.row), claim.row.done_s is None) for claim in claims]
    found = percentile(waits, params.percentile)
    if found is None:
        return _gate.NOBODY
    value = linear(found.value_s * 1000, zero=params.zero_ms, full=params.full_ms)
    reason = (
        f"p{params.percentile:g} is {found.ms()} (full points up to {params.full_ms:,.0f} ms, "
        f"none from {params.zero_ms:,.0f} ms)"
    )
    if value == 1:
        return _gate.behind(evidence, params, Judged(value, reason))
    slow = [claim.row for claim in claims if evidence.latency_ms(claim.row) > params.full_ms]
    lost = tuple(
        Lost.of(row, f"{'still open' if row.done_s is None else 'answered'} after {evidence.latency_ms(row):,.0f} ms")
        for row in slow
    )
    return _gate.behind(evidence, params, Judged(value, reason, lost))


RULE = Rule(LatencyParams, evaluate)
