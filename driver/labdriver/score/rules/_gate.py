"""How people are answered counts only where the answers count: what `latency`, `hung` and `even` ask first.

Refusing everybody is fast and fair, and so is lying. So these rules give nothing when too few of all answers were
right ("fast failing alone is not an answer") or too many were false ("a quick lie is not an answer").
"""

from pydantic import Field

from labdriver.lab import Model
from labdriver.score.evidence import Evidence, share
from labdriver.score.rule import Judged, losses, percent


class GateParams(Model):
    needs_ok_ratio: float = Field(default=0.5, ge=0, le=1)  # share of right answers among all scored requests
    allows_false_ratio: float = Field(default=0.01, ge=0, le=1)  # share of false answers among all scored requests


NOBODY = Judged(None, "not evaluated: no request was scored")


def behind(evidence: Evidence, params: GateParams, judged: Judged) -> Judged:
    """`judged`, unless it gives points and the gate is closed; then what closed it."""
    if not judged.share:
        return judged
    lies = evidence.dishonest
    lies_ratio = share(len(lies), len(evidence.claims))
    if lies_ratio > params.allows_false_ratio:
        return Judged(
            0,
            f"{len(lies)} of {len(evidence.claims)} answers were false ({percent(lies_ratio)}, at most "
            f"{percent(params.allows_false_ratio)} are tolerated): a quick lie is not an answer",
            losses(lies),
        )
    if evidence.right_ratio < params.needs_ok_ratio:
        return Judged(
            0,
            f"only {percent(evidence.right_ratio)} of all requests got a right answer, "
            f"{percent(params.needs_ok_ratio)} are needed before this counts: fast failing alone is not an answer",
            losses(claim for claim in evidence.claims if not claim.right),
        )
    return judged
