"""Replicas cost money every second, also those that have nothing to do.

For each phase in which the count has settled (kinds healthy and recovery): replicas wanted, on average, divided by
those that do the load of that phase with ease, one at least. The worst phase decides. Behind the gate of right answers:
one replica that serves nobody is not thrifty.
"""

import math

from pydantic import Field

from labdriver.lab import Name
from labdriver.score.evidence import Evidence
from labdriver.score.rule import Judged, Rule, linear
from labdriver.score.rules import _gate, _replicas


class ThriftParams(_gate.GateParams):
    role: Name
    replica_rps: float = Field(gt=0)  # what one replica does with ease
    full_factor: float = Field(gt=1)  # times the replicas that would do, up to which all points are given
    zero_factor: float = Field(gt=1)  # and from which none


def evaluate(evidence: Evidence, params: ThriftParams) -> Judged:
    """Linear from `full_factor` to `zero_factor`, behind the gate."""
    found: list[tuple[float, str]] = []
    for kind in ("healthy", "recovery"):
        samples = _replicas.in_kinds(evidence, [kind])
        wanted = _replicas.mean(samples, f"{params.role}.replicas_wanted")
        if wanted is not None:
            phase = samples[0][0]
            needed = max(1, math.ceil(phase.rate_rps / params.replica_rps - 1e-9))
            found.append((wanted / needed, f"{wanted:.1f} replicas in the phase {phase.name}, {needed} would do"))
    if not found:
        return Judged(None, "not evaluated: how many replicas there were is not known")
    factor, told = max(found)
    reason = f"{told} (full points up to {params.full_factor:g} times as many, none from {params.zero_factor:g})"
    value = linear(factor, zero=params.zero_factor, full=params.full_factor)
    return _gate.behind(evidence, params, Judged(value, reason))


RULE = Rule(ThriftParams, evaluate)
