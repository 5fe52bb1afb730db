"""Requests that nobody answered, only after ages, or by falling over."""

from pydantic import Field

from labdriver.lab import Share
from labdriver.score.evidence import Evidence, share
from labdriver.score.rule import Judged, Lost, Rule, linear, percent
from labdriver.score.rules import _gate


class HungParams(_gate.GateParams):
    limit_ms: float = Field(gt=0)  # from the intended start; an answer after this counts as none
    full_ratio: Share = 0
    zero_ratio: Share
    crash_statuses: tuple[int, ...] = ()  # what a service says that fell over instead of failing on purpose


def evaluate(evidence: Evidence, params: HungParams) -> Judged:
    """Linear from `full_ratio` to `zero_ratio` of all scored requests, behind the gate."""
    if not evidence.claims:
        return _gate.NOBODY
    lost, crashes = [], 0
    for claim in evidence.claims:
        row, latency_ms = claim.row, evidence.latency_ms(claim.row)
        if row.outcome in ("hung", "unsent"):
            lost.append(Lost.of(row, claim.why))
        elif latency_ms > params.limit_ms:
            lost.append(Lost.of(row, f"answered after {latency_ms:,.0f} ms"))
        elif row.status in params.crash_statuses:
            crashes += 1
            lost.append(Lost.of(row, f"the service fell over: {row.status}"))
    ratio = share(len(lost), len(evidence.claims))
    fell_over = f", {crashes} of them because the service fell over" if crashes else ""
    reason = (
        f"{len(lost)} of {len(evidence.claims)} requests had no answer within {params.limit_ms:,.0f} ms{fell_over} "
        f"({percent(ratio)}; no points from {percent(params.zero_ratio)})"
    )
    value = linear(ratio, zero=params.zero_ratio, full=params.full_ratio)
    return _gate.behind(evidence, params, Judged(value, reason, tuple(lost)))


RULE = Rule(HungParams, evaluate)
