"""Replicas rise with the load, and an autoscaler is why.

The mean number of ready replicas once the load has been on for a while (phases of kind recovery), divided by the mean
while it was calm (kind healthy). Replicas that were always there, or that nobody scaled, give nothing: somebody else
would have to be awake when the load comes.
"""

from pydantic import Field

from labdriver.lab import Model, Name
from labdriver.score.evidence import Evidence
from labdriver.score.rule import Judged, Rule, linear
from labdriver.score.rules import _replicas


class GrownParams(Model):
    role: Name
    full_factor: float = Field(gt=1)  # times as many replicas for all points
    zero_factor: float = Field(ge=1)  # and up to which there are none


def evaluate(evidence: Evidence, params: GrownParams) -> Judged:
    """Linear from `zero_factor` to `full_factor`; nothing without an autoscaler that may scale."""
    ready, least, most = (f"{params.role}.{name}" for name in ("replicas_ready", "replicas_min", "replicas_max"))
    calm = _replicas.mean(_replicas.in_kinds(evidence, ["healthy"]), ready)
    loaded = _replicas.mean(_replicas.in_kinds(evidence, ["recovery"]), ready)
    if calm is None or loaded is None:
        return Judged(None, "not evaluated: how many replicas there were is not known")
    bounds = next((s.values for s in evidence.record.samples if most in s.values), None)
    told = f"{calm:.1f} replicas while it was calm, {loaded:.1f} under load"
    if bounds is None:
        return Judged(0, f"{told}; there is no autoscaler")
    if bounds[least] == bounds[most]:
        return Judged(0, f"{told}; the autoscaler may not scale: its least and its most are both {bounds[most]:.0f}")
    factor = loaded / calm if calm else 0.0
    value = linear(factor, zero=params.zero_factor, full=params.full_factor)
    why = evidence.record.head.stack.complaint
    if value < 1 and why:
        told = f"{told}; the autoscaler says: {why}"
    return Judged(value, f"{told} (full points from {params.full_factor:g} times as many)")


RULE = Rule(GrownParams, evaluate)
