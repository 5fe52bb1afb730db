"""A figure that was sampled once a second: in how many of the seconds of the load it was above a limit.

For what shows on the inside only: callers waiting for a connection, the age of the oldest transaction. One look a
second, so it judges how things usually were, not single moments.
"""

from labdriver.lab import Share
from labdriver.record import Record, Row, Sample
from labdriver.score.evidence import Evidence, share
from labdriver.score.rule import Judged, Lost, Rule, linear, percent
from labdriver.score.rules import _gate

SEEN_RATIO = 0.5  # of the seconds; with fewer looks than that nothing is known


class AboveParams(_gate.GateParams):
    figure: str  # as samples name it: api.db_waiting
    what: str  # what it means to be above the limit, for people
    limit: float
    full_ratio: Share = 0.0  # share of the seconds above the limit up to which all points are given
    zero_ratio: Share


def evaluate(evidence: Evidence, params: AboveParams) -> Judged:
    """Linear from `full_ratio` to `zero_ratio`, behind the gate; not evaluated when the figure was not to be had."""
    record = evidence.record
    if not evidence.claims:
        return _gate.NOBODY
    seconds = [sample for sample in record.samples if 0 <= sample.t_s < record.head.load_s]
    looks = [sample for sample in seconds if params.figure in sample.values]
    if len(looks) < max(1.0, SEEN_RATIO * record.head.load_s):
        return Judged(None, f"not evaluated: {params.figure} was read in {len(looks)} of {record.head.load_s:.0f} s")
    over = [sample for sample in looks if sample.values[params.figure] > params.limit]
    ratio = share(len(over), len(looks))
    reason = (
        f"{params.what} in {len(over)} of {len(looks)} looks, one a second (full points up to "
        f"{percent(params.full_ratio)}, none from {percent(params.zero_ratio)})"
    )
    value = linear(ratio, zero=params.zero_ratio, full=params.full_ratio)
    lost = tuple(_lost(record, sample, params) for sample in over) if value < 1 else ()
    return _gate.behind(evidence, params, Judged(value, reason, lost))


def _lost(record: Record, sample: Sample, params: AboveParams) -> Lost:
    """The look, and the request that had just been due."""
    row: Row = min(record.scored(), key=lambda r: (abs(r.intended_s - sample.t_s), r.seq))
    value = sample.values[params.figure]
    seen = f"{value * 1000:,.0f} ms" if params.figure.endswith("_s") else f"{value:g}"
    return Lost(sample.t_s, row.seq, row.target, f"{seen} were seen")


RULE = Rule(AboveParams, evaluate)
