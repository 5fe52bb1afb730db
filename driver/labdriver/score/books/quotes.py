"""Quotes of prices: every price sold must stand in the dependency's ledger, for that home, at that time.

A row that claims success carries `{"sku", "price_cents", "currency", "price_ref", "stale"}`. The reference finds the
recorded call; the rest must agree with it. An older price is a lesser answer if it is marked, and only while the
dependency is not well.
"""

from typing import Any

from pydantic import Field

from labdriver.lab import Model
from labdriver.record import Call, Record, Row
from labdriver.score.books import _ledger
from labdriver.score.evidence import Books, Claim, Label

FIELDS = ("sku", "price_cents", "currency")  # what a quote must repeat as it was priced


class QuotesParams(Model):
    operation: str  # of the dependency
    fresh_for_s: float = Field(ge=0)  # how old a price may be when its request is sent
    stale_for_s: float = Field(ge=0)  # how old a marked price may be when its request is answered
    grace_s: float = Field(default=2, ge=0)  # after a fault, how long a marked older price is still welcome


def label(record: Record, params: QuotesParams) -> list[Claim]:
    """Label every scored row. Pure; about 3 µs a row."""
    # A price that an edit keeps or shares may have been asked for by the live business: it is as true as any.
    calls = (*record.background, *record.calls)
    ledger = _ledger.by_reference(calls, operation=params.operation, reference="price_ref")
    unwell = _unwell(record, grace_s=params.grace_s)
    paths = [_ledger.pattern(request) for request in record.head.scenario.requests]
    claims = []
    for row in record.scored():
        why = _ledger.no_answer(record, row)
        if why:
            claims.append(Claim(row, "failed", why))
            continue
        sku = _ledger.place(paths[row.request], row.target, "sku")
        claims.append(Claim(row, *_judge(row, sku, ledger, params, unwell)))
    return claims


def _judge(
    row: Row, sku: str, ledger: dict[str, Call], params: QuotesParams, unwell: list[tuple[float, float]]
) -> tuple[Label, str]:
    """Label a row that claims success. `sku` is the home that was asked for."""
    body = row.body
    if body is None:
        return "dishonest", f"answered {row.status} without a price"
    call = ledger.get(body["price_ref"]) if isinstance(body.get("price_ref"), str) else None
    if call is None or call.answer is None:
        return "dishonest", f"{params.operation} never quoted {_told(body)}"
    if body.get("sku") != sku or call.key != sku:
        return "dishonest", f"asked for {sku}, sold the price of {call.key}"
    wrong = [name for name in FIELDS if body.get(name) != call.answer.get(name)]
    if wrong:
        return "dishonest", f"{wrong[0]} is {body.get(wrong[0])!r}, quoted was {call.answer.get(wrong[0])!r}"
    return _age(row, call, params, marked=body.get("stale") is True, unwell=unwell)


def _age(
    row: Row, call: Call, params: QuotesParams, *, marked: bool, unwell: list[tuple[float, float]]
) -> tuple[Label, str]:
    """Label a true price by its age."""
    sent_s = row.sent_s if row.sent_s is not None else row.intended_s
    done_s = row.done_s if row.done_s is not None else sent_s
    priced_s = _ledger.answered_at_s(call)
    if priced_s > done_s + _ledger.SLACK_S:
        return "dishonest", "sold a price before it was quoted"
    if not marked:
        if priced_s >= sent_s - params.fresh_for_s - _ledger.SLACK_S:
            return "good", ""
        return "dishonest", f"sold a price {sent_s - priced_s:.1f} s old as fresh"
    age_s = done_s - priced_s
    if age_s > params.stale_for_s:
        return "failed", f"the older price was {age_s:.0f} s old, {params.stale_for_s:g} s are allowed"
    if any(start_s <= row.intended_s < end_s for start_s, end_s in unwell):
        return "degraded", f"an older price, {age_s:.1f} s old and marked"
    return "failed", "the dependency was well, an older price was not needed"


def _unwell(record: Record, *, grace_s: float) -> list[tuple[float, float]]:
    """Spans in which the dependency was not well, `grace_s` after it included."""
    spans, start_s = [], 0.0
    for phase in record.head.scenario.phases:
        if phase.kind == "fault":
            spans.append((start_s, start_s + phase.duration_s + grace_s))
        start_s += phase.duration_s
    return spans


def _told(body: dict[str, Any]) -> str:
    """The price as it was claimed, short."""
    reference = body.get("price_ref")
    return f"{body.get('price_cents')!r} cents, {'without a price_ref' if reference is None else reference!r}"[:80]


BOOKS = Books(QuotesParams, label)
