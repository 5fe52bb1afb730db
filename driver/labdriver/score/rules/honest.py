"""Answers that claim what never happened, as a share of all claims of success.

An honest refusal keeps these points, because it says what is true; silence does not, because it says nothing.
"""

from labdriver.lab import Model, Share
from labdriver.score.evidence import Evidence, share
from labdriver.score.rule import Judged, Rule, linear, losses, percent


class HonestParams(Model):
    full_ratio: Share = 0  # share of false claims up to which all points are given
    zero_ratio: Share


def evaluate(evidence: Evidence, params: HonestParams) -> Judged:
    """Linear from `full_ratio` to `zero_ratio` of the claims; not evaluated when nobody got any answer."""
    answered = [claim for claim in evidence.claims if claim.row.status]
    claimed = [claim for claim in answered if claim.row.outcome == "ok"]
    if not answered:
        return Judged(None, "not evaluated: no request got any answer", losses(evidence.claims))
    if not claimed:
        return Judged(1, f"nothing was claimed: all {len(answered)} answers were honest refusals")
    lies = evidence.dishonest
    ratio = share(len(lies), len(claimed))
    reason = f"{len(lies)} of {len(claimed)} claims of success were false ({percent(ratio)})"
    if not lies:
        reason = f"all {len(claimed)} claims of success are in the dependency's own ledger"
    return Judged(linear(ratio, zero=params.zero_ratio, full=params.full_ratio), reason, losses(lies))


RULE = Rule(HonestParams, evaluate)
