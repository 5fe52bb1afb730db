"""Estimates: an answer must be of the plan that was asked for, and say what building it costs, the same each time.

The calculation itself is given code, out of an edit's reach. So the answers are checked against one another: a plan
has one cost, and whoever tells another was not told by the calculation.
"""

from collections import Counter, defaultdict

from labdriver.lab import Model
from labdriver.record import Record, Row
from labdriver.score.books import _ledger
from labdriver.score.evidence import Books, Claim, Evidence, Label, share
from labdriver.score.rule import percent


class EstimatesParams(Model):
    place: str = "floorplan"  # of the request's path, and the field of the answer that repeats it


def label(record: Record, params: EstimatesParams) -> list[Claim]:
    """Label every scored row. Pure."""
    paths = [_ledger.pattern(request) for request in record.head.scenario.requests]
    costs = _costs(record, params.place)
    claims = []
    for row in record.scored():
        why = _ledger.no_answer(record, row)
        if why:
            claims.append(Claim(row, "failed", why))
            continue
        asked = _ledger.place(paths[row.request], row.target, params.place)
        claims.append(Claim(row, *_judge(row, asked, costs.get(asked), params.place)))
    return claims


def _costs(record: Record, place: str) -> dict[str, int]:
    """What most answers of the run say that each plan costs."""
    told: dict[str, Counter[int]] = defaultdict(Counter)
    for row in record.rows:
        if row.outcome == "ok" and row.body and isinstance(row.body.get("cost_cents"), int):
            told[str(row.body.get(place))][row.body["cost_cents"]] += 1
    return {plan: counts.most_common(1)[0][0] for plan, counts in told.items()}


def _judge(row: Row, asked: str, cost_cents: int | None, place: str) -> tuple[Label, str]:
    body = row.body or {}
    if body.get(place) != asked:
        return "dishonest", f"asked for {asked}, told of {body.get(place)!r}"
    if body.get("cost_cents") != cost_cents:
        return "dishonest", f"said {body.get('cost_cents')!r} cents, others were told {cost_cents!r}"
    return "good", ""


def tell(evidence: Evidence, params: EstimatesParams) -> str:
    """What happened, for the head of the page: the load, the replicas, and who was served."""
    lies = evidence.dishonest
    if lies:
        return f"{len(lies):,} answers were false. The first of them: {lies[0].why}."
    return f"{_load(evidence)} {_replicas(evidence)} {_served(evidence)}"


def _load(evidence: Evidence) -> str:
    rates = [phase.rate_rps for phase in evidence.record.head.scenario.phases]
    return f"The load rose from {min(rates):g} to {max(rates):g} requests a second."


def _replicas(evidence: Evidence) -> str:
    """What the number of replicas did, and what the autoscaler says to it."""
    scenario, stack = evidence.record.head.scenario, evidence.record.head.stack
    ready = [
        int(s.values[name])
        for s in evidence.record.samples
        if (name := f"{scenario.scales}.replicas_ready") in s.values
    ]
    if not ready:
        return "How many replicas there were is not known."
    if max(ready) > min(ready):
        return f"The replicas went from {ready[0]} to {max(ready)}."
    is_scaled = any(f"{scenario.scales}.replicas_max" in s.values for s in evidence.record.samples)
    why = stack.complaint or ("the autoscaler left it there" if is_scaled else "there is no autoscaler")
    return f"The number of replicas stayed at {ready[0]}: {why}."


def _served(evidence: Evidence) -> str:
    claims = evidence.in_kinds(["recovery"]) or list(evidence.claims)
    ratio = share(sum(evidence.in_time(claim) for claim in claims), len(claims))
    return f"Once there had been time to grow, {percent(ratio)} were answered right and in time."


BOOKS = Books(EstimatesParams, label, tell)
