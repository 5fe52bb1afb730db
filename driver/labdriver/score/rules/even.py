"""All kinds of callers are served alike: nobody is singled out by the headers they send.

For each kind of caller, its share of right answers is set beside everybody else's, once over the phases without a
fault and once over the fault. Callers are dealt evenly over time, so apart from chance the shares must agree. They
differ when they are apart by more than `floor_ratio` and by more than `z_limit` standard errors (two-proportion z).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import Field

from labdriver.lab import Share
from labdriver.score.evidence import Claim, Evidence, share
from labdriver.score.rule import Judged, Rule, losses, percent
from labdriver.score.rules import _gate

SPANS = {"without a fault": ("healthy", "recovery"), "during the fault": ("fault",)}


class EvenParams(_gate.GateParams):
    needs_ok_ratio: Share = 0.2
    z_limit: float = Field(default=4, gt=0)  # 8 comparisons a run: a false alarm in fewer than 1 of 1,900 runs
    floor_ratio: Share = 0.1


@dataclass(frozen=True)
class Gap:
    """One kind of caller against the others in one span."""

    client: str
    span: str
    own_ratio: float
    rest_ratio: float
    z: float
    claims: tuple[Claim, ...]  # of the side that was served worse


def evaluate(evidence: Evidence, params: EvenParams) -> Judged:
    """All points or none, behind the gate; not evaluated when there is one kind of caller."""
    if not evidence.claims:
        return _gate.NOBODY
    gaps = list(_gaps(evidence))
    if not gaps:
        return Judged(None, "not evaluated: there is only one kind of caller", losses(evidence.claims))
    wide = [g for g in gaps if g.z > params.z_limit and abs(g.own_ratio - g.rest_ratio) > params.floor_ratio]
    if not wide:
        most = max(gaps, key=lambda gap: abs(gap.own_ratio - gap.rest_ratio))
        alike = Judged(1, f"nothing beyond chance tells callers apart; the largest difference: {_told(most)}")
        return _gate.behind(evidence, params, alike)
    worst = max(wide, key=lambda gap: gap.z)
    return Judged(0, f"callers are told apart: {_told(worst)}", losses(c for c in worst.claims if not c.right))


def _gaps(evidence: Evidence) -> Iterator[Gap]:
    for span, kinds in SPANS.items():
        claims = evidence.in_kinds(kinds)
        for index, client in enumerate(evidence.record.head.scenario.clients):
            own = tuple(claim for claim in claims if claim.row.client == index)
            rest = tuple(claim for claim in claims if claim.row.client != index)
            if own and rest:
                a, b = (share(sum(c.right for c in side), len(side)) for side in (own, rest))
                z = z_score(a, len(own), b, len(rest))
                yield Gap(client.name, span, a, b, z, own if a < b else rest)


def z_score(a_ratio: float, a_count: int, b_ratio: float, b_count: int) -> float:
    """Two-proportion z with the pooled standard error; 0 when both shares are 0 or both are 1."""
    pooled = (a_ratio * a_count + b_ratio * b_count) / (a_count + b_count)
    error = math.sqrt(pooled * (1 - pooled) * (1 / a_count + 1 / b_count))
    return abs(a_ratio - b_ratio) / error if error else 0.0


def _told(gap: Gap) -> str:
    return f"{gap.client} {percent(gap.own_ratio)} right, the others {percent(gap.rest_ratio)}, {gap.span}"


RULE = Rule(EvenParams, evaluate)
