"""Jobs of one kind that are done in time, as a share of all that were due in phases of the given kinds."""

from typing import Literal

from pydantic import Field

from labdriver.lab import Share
from labdriver.score import jobs
from labdriver.score.evidence import Evidence, share
from labdriver.score.rule import Judged, Rule, linear, lost_or_late, percent
from labdriver.score.rules import _bulkhead


class CompletionParams(_bulkhead.GateParams):
    kinds: tuple[Literal["healthy", "fault", "recovery"], ...] = Field(min_length=1)
    within_ms: float = Field(gt=0)  # from when the request was due to when its job was finished
    zero_ratio: Share
    full_ratio: Share


def evaluate(evidence: Evidence, params: CompletionParams) -> Judged:
    """Linear from `zero_ratio` to `full_ratio`, behind the gate."""
    due = set(map(id, evidence.in_kinds(params.kinds)))
    claims = [claim for claim in jobs.claims_of(evidence, params.request) if id(claim) in due]
    if not claims:
        return Judged(None, f"not evaluated: no {params.request} was due in a phase of kind {', '.join(params.kinds)}")
    lost = lost_or_late(evidence, claims, within_ms=params.within_ms, word="done")
    ratio = share(len(claims) - len(lost), len(claims))
    reason = (
        f"{len(claims) - len(lost)} of {len(claims)} {params.request} jobs were done within {params.within_ms:,.0f} ms "
        f"({percent(ratio)}; full points from {percent(params.full_ratio)}, none at {percent(params.zero_ratio)})"
    )
    value = linear(ratio, zero=params.zero_ratio, full=params.full_ratio)
    return _bulkhead.behind(evidence, params, Judged(value, reason, lost if value < 1 else ()))


RULE = Rule(CompletionParams, evaluate)
