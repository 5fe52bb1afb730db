"""Jobs of one kind that are done by the end of the run, as a share of all; those still young then are left out."""

from labdriver.lab import Model, Name, Share
from labdriver.score import jobs
from labdriver.score.evidence import Evidence
from labdriver.score.rule import Judged, Rule, linear, losses, percent
from labdriver.score.rules import _bulkhead


class FinishedParams(Model):
    request: Name
    zero_ratio: Share
    full_ratio: Share


def evaluate(evidence: Evidence, params: FinishedParams) -> Judged:
    """Linear from `zero_ratio` to `full_ratio`."""
    claims = jobs.claims_of(evidence, params.request)
    if not claims:
        return Judged(None, f"not evaluated: no {params.request} was due")
    ratio = _bulkhead.done_ratio(claims)
    lost = [claim for claim in claims if not claim.right]
    reason = (
        f"{len(claims) - len(lost)} of {len(claims)} {params.request} jobs were done by the end ({percent(ratio)}; "
        f"full points from {percent(params.full_ratio)}, none at {percent(params.zero_ratio)})"
    )
    value = linear(ratio, zero=params.zero_ratio, full=params.full_ratio)
    return Judged(value, reason, losses(lost) if value < 1 else ())


RULE = Rule(FinishedParams, evaluate)
