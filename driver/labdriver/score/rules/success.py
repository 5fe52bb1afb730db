"""Right answers in time, as a share of all requests in phases of the given kinds."""

from typing import Literal

from pydantic import Field

from labdriver.lab import Model, Share
from labdriver.score.evidence import Evidence, share
from labdriver.score.rule import Judged, Rule, linear, lost_or_late, percent


class SuccessParams(Model):
    kinds: tuple[Literal["healthy", "fault", "recovery"], ...] = Field(min_length=1)
    zero_ratio: Share
    full_ratio: Share
    within_ms: float = Field(gt=0)  # from the intended start
    skip_s: float = Field(default=0, ge=0)  # of each phase, at its start


def evaluate(evidence: Evidence, params: SuccessParams) -> Judged:
    """Linear from `zero_ratio` to `full_ratio`."""
    claims = evidence.in_kinds(params.kinds, skip_s=params.skip_s)
    if not claims:
        return Judged(None, f"not evaluated: no request was due in a phase of kind {', '.join(params.kinds)}")
    lost = lost_or_late(evidence, claims, within_ms=params.within_ms, word="right")
    got = len(claims) - len(lost)
    false = sum(claim.label == "dishonest" for claim in claims)
    reason = (
        f"{got} of {len(claims)} requests got a right answer within {params.within_ms:,.0f} ms "
        f"({percent(share(got, len(claims)))}{f', {false} got a false one' if false else ''}; "
        f"full points from {percent(params.full_ratio)}, "
        f"none at {percent(params.zero_ratio)})"
    )
    value = linear(share(got, len(claims)), zero=params.zero_ratio, full=params.full_ratio)
    return Judged(value, reason, lost if value < 1 else ())


RULE = Rule(SuccessParams, evaluate)
