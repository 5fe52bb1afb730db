"""Quotes against the dependency's ledger: what is right, what is a lesser answer, what is a lie."""

from dataclasses import replace
from typing import Any

import pytest
from tests.driver.record_builder import build
from tests.driver.strategies import refuse_all

from labdriver.record import Call, Record, Row
from labdriver.score.books.quotes import QuotesParams, label
from labdriver.score.evidence import Claim

PARAMS = QuotesParams(operation="pricing", fresh_for_s=1.0, stale_for_s=30)
PRICE = {"sku": "oak-65", "price_cents": 100, "currency": "USD", "price_ref": "q-1", "priced_at_s": 1.0}
EMPTY = build(refuse_all)
HEALTHY_S, FAULT_S, JUST_AFTER_S, RECOVERED_S = 3.0, 10.0, 15.5, 17.0


def judged(
    body: dict[str, Any] | None, *, at_s: float = HEALTHY_S, call: dict[str, Any] | None = None, **row: Any
) -> Claim:
    """Label one request that was sent at `at_s` and answered 50 ms later, priced 20 ms after it was sent."""
    made = Call("c1", "pricing", "oak-65", "healthy", at_s + 0.01, at_s + 0.02, "answered", PRICE)
    made = replace(made, **(call or {}))
    scored = Row(1, 0, 0, 0, "/quotes/oak-65", at_s, at_s, at_s + 0.05, "ok", 200, "", body)
    found = label(Record(EMPTY.head, (replace(scored, **row),), (), (made,)), PARAMS)
    assert len(found) == 1
    return found[0]


def test_price_that_the_live_business_asked_for_is_as_true_as_any() -> None:
    """An edit that keeps or shares prices may pass one on; who asked for it does not make it a lie."""
    made = Call("b1", "pricing", "oak-65", "healthy", HEALTHY_S + 0.01, HEALTHY_S + 0.02, "answered", PRICE)
    row = Row(1, 0, 0, 0, "/quotes/oak-65", HEALTHY_S, HEALTHY_S, HEALTHY_S + 0.05, "ok", 200, "", {**PRICE})
    (claim,) = label(Record(EMPTY.head, (row,), (), (), background=(made,)), PARAMS)
    assert claim.label == "good"


def test_quoted_price_is_good() -> None:
    """The price of this home, quoted for this request."""
    assert judged({**PRICE, "stale": False}).label == "good"


@pytest.mark.parametrize(
    ("body", "call", "why"),
    [
        (None, {}, "without a price"),
        ({}, {}, "never quoted"),
        ({**PRICE, "price_ref": "q-9"}, {}, "never quoted"),
        ({**PRICE, "price_ref": ["q-1"]}, {}, "never quoted"),
        ({**PRICE, "price_cents": 99}, {}, "price_cents is 99, quoted was 100"),
        ({**PRICE, "currency": "EUR"}, {}, "currency is 'EUR'"),
        ({**PRICE, "sku": "oak-90"}, {}, "asked for oak-65"),
        (PRICE, {"key": "oak-90"}, "sold the price of oak-90"),
        (PRICE, {"operation": "payment"}, "never quoted"),
        (PRICE, {"answer": None, "outcome": "hang"}, "never quoted"),
        (PRICE, {"done_s": HEALTHY_S - 4}, "a price 4.0 s old as fresh"),
        (PRICE, {"done_s": HEALTHY_S + 9}, "before it was quoted"),
        ({**PRICE, "stale": "yes"}, {"done_s": HEALTHY_S - 4}, "as fresh"),
    ],
)
def test_claim_that_does_not_fit_the_ledger_is_dishonest(
    body: dict[str, Any] | None, call: dict[str, Any], why: str
) -> None:
    """Invented, someone else's, altered, old sold as fresh, or no price at all."""
    found = judged(body, call=call)
    assert found.label == "dishonest"
    assert why in found.why


@pytest.mark.parametrize(
    ("at_s", "age_s", "expected"),
    [
        (FAULT_S, 5, "degraded"),
        (JUST_AFTER_S, 5, "degraded"),
        (FAULT_S, 40, "failed"),
        (HEALTHY_S, 2, "failed"),
        (RECOVERED_S, 2, "failed"),
    ],
)
def test_marked_older_price_counts_only_while_needed(at_s: float, age_s: float, expected: str) -> None:
    """Welcome during the fault and two seconds after, if it is not too old; else an honest failure."""
    assert judged({**PRICE, "stale": True}, at_s=at_s, call={"done_s": at_s - age_s}).label == expected


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"outcome": "failed", "status": 503}, "answered 503"),
        ({"outcome": "failed", "status": 0, "error": "reset"}, "no answer: reset"),
        ({"outcome": "hung", "status": 0, "done_s": None}, "no answer within"),
        ({"outcome": "unsent", "status": 0, "done_s": None, "sent_s": None}, "never sent"),
    ],
)
def test_no_claim_is_an_honest_failure(row: dict[str, Any], why: str) -> None:
    """Whoever claims nothing, lies about nothing."""
    found = judged(None, **row)
    assert found.label == "failed"
    assert why in found.why


def test_clock_slack_does_not_make_a_liar() -> None:
    """A ledger that is a fifth of a second off is still believed."""
    assert judged(PRICE, call={"done_s": HEALTHY_S + 0.25}).label == "good"
    assert judged(PRICE, call={"done_s": HEALTHY_S - 1.2}).label == "good"
