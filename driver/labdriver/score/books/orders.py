"""Orders and their payments: every answer must be what database and payment service recorded.

A row carries `{"order", "status"}`, and `payment_ref` where it is paid. Four answers can be right: 200 paid, 202
accepted (if it was settled by the end), 402 not paid (if the payment service refused) and 409 sold out (if it was).
Whoever is told one thing while the books hold another was lied to, refusals included.
"""

from dataclasses import dataclass
from statistics import median
from typing import Any

from pydantic import Field

from labdriver.lab import Model
from labdriver.record import Record, Row
from labdriver.score.books import _ledger
from labdriver.score.books._account import REFERENCE, Account, Order, open_account, told_of
from labdriver.score.evidence import Books, Claim, Evidence, Label, share
from labdriver.score.rule import percent

GAVE_UP = {_ledger.ABANDONED, _ledger.IN_FLIGHT}
CROWD = 10  # callers waiting for a connection, below which that is not what happened
FEW_RATIO = 0.01  # of answers
GOOD: tuple[Label, str] = ("good", "")


class OrdersParams(Model):
    operation: str  # of the dependency
    slack_s: float = Field(default=0.1, ge=0)  # clocks: how much later than its answer a payment may be taken


@dataclass(frozen=True)
class Told:
    """What one caller was told, and what the books hold of the order it was told of."""

    row: Row
    sku: str  # that was asked for
    id: str
    order: Order | None
    account: Account
    slack_s: float

    @property
    def body(self) -> dict[str, Any]:
        return self.row.body or {}


def label(record: Record, params: OrdersParams) -> list[Claim]:
    """Label every scored row. Pure."""
    account = open_account(record, operation=params.operation)
    paths = [_ledger.pattern(request) for request in record.head.scenario.requests]
    claims = []
    for row in record.scored():
        silent = _ledger.no_answer(record, row)
        if account is None or row.status == 0 or row.outcome in ("hung", "unsent"):
            claims.append(Claim(row, "failed", silent or "the database could not be read, nothing can be checked"))
            continue
        order_id = told_of(row)
        if not order_id:
            claims.append(Claim(row, "failed", silent) if silent else Claim(row, "dishonest", "names no order"))
            continue
        sku = _ledger.place(paths[row.request], row.target, "sku")
        told = Told(row, sku, order_id, account.orders.get(order_id), account, params.slack_s)
        claims.append(Claim(row, *_judge(told)))
    return claims


def _judge(told: Told) -> tuple[Label, str]:
    """Label a row that was told of an order."""
    taken = told.account.taken(told.id)
    if len(taken) > 1:
        return "dishonest", f"the order was paid for {len(taken)} times"
    if told.order is not None and told.order.sku != told.sku:
        return "dishonest", f"asked for {told.sku}, the order is of {told.order.sku}"
    if told.id in told.account.homeless:
        return "dishonest", f"the home had been sold already: {told.account.homeless[told.id]}"
    status = told.body.get("status")
    if told.row.status == 200 and status == "paid":
        return _paid(told)
    if told.row.status == 202 and status == "pending":
        return _accepted(told)
    if told.row.status == 409:
        return _sold_out(told)
    if told.row.status < 400:
        return "dishonest", f"answered {told.row.status} with status {status!r}, which nobody can check"
    if taken:
        return "dishonest", f"the money was taken, the answer was {told.row.status}"
    return _unpaid(told) if told.row.status == 402 else ("failed", f"answered {told.row.status}")


def _paid(told: Told) -> tuple[Label, str]:
    taken = told.account.taken(told.id)
    if told.order is None:
        return "dishonest", "said paid, but no order was stored"
    if told.order.status != "paid":
        return "dishonest", f"said paid, but the order is {told.order.status}"
    if not taken:
        return "dishonest", "said paid, but no payment was taken"
    reference = (taken[0].answer or {}).get(REFERENCE)
    if told.body.get(REFERENCE) != reference:
        return "dishonest", f"said paid by {told.body.get(REFERENCE)!r}, taken was {reference!r}"
    early_s = _ledger.answered_at_s(taken[0]) - (told.row.done_s or 0)
    if early_s > told.slack_s:
        return "dishonest", f"said paid {early_s * 1000:,.0f} ms before the payment was taken"
    return GOOD


def _accepted(told: Told) -> tuple[Label, str]:
    taken = told.account.taken(told.id)
    if told.order is None:
        return "dishonest", "said accepted, but no order was stored"
    if told.order.status == "pending":
        return "failed", "accepted, and not settled by the end"
    if (told.order.status == "paid") != bool(taken):
        return "dishonest", f"the order is {told.order.status}, {'a' if taken else 'no'} payment was taken"
    return GOOD


def _sold_out(told: Told) -> tuple[Label, str]:
    if told.account.taken(told.id):
        return "dishonest", "said sold out, and took the money"
    if told.order is not None and told.order.status != "failed":
        return "dishonest", f"said sold out, but the order is {told.order.status}"
    product = told.account.products.get(told.sku)
    if product is None:
        return "failed", "answered 409"
    if product.in_stock > told.account.given_back(told.sku):
        return "dishonest", f"said sold out, with {product.in_stock:,} of {product.stocked:,} homes {told.sku} left"
    return GOOD


def _unpaid(told: Told) -> tuple[Label, str]:
    """Told that the payment was not taken, and it was not."""
    outcomes = told.account.outcomes.get(told.id, frozenset())
    if told.order is not None and told.order.status != "failed":
        return "dishonest", f"said not paid and off, but the order is {told.order.status}"
    if not outcomes:
        return "dishonest", "said not paid, but the payment service was never asked"
    if outcomes <= GAVE_UP:
        return "failed", "did not wait for the payment service"
    return GOOD


def tell(evidence: Evidence, params: OrdersParams) -> str:
    """What happened, for the head of the page: false answers first, then who waited for what, then the good news."""
    lies = evidence.dishonest
    count = len(evidence.claims)
    if len(lies) > FEW_RATIO * count:
        return f"{len(lies):,} of {count:,} answers were not what the books say. The first of them: {lies[0].why}."
    in_time = percent(share(sum(evidence.in_time(claim) for claim in evidence.claims), count))
    crowd = _crowd(evidence, params)
    if crowd:
        return f"{crowd} Only {in_time} of all requests got a right answer in time."
    slowest_ms = max(evidence.latency_ms(claim.row) for claim in evidence.claims)
    return f"{in_time} of all requests got a right answer in time; nobody waited longer than {slowest_ms:,.0f} ms."


def _crowd(evidence: Evidence, params: OrdersParams) -> str:
    """The second in which most callers waited for a connection, and what everybody was waiting for; empty without."""
    role = evidence.record.head.scenario.books.role
    waiting = f"{role}.db_waiting"
    fullest = max(evidence.record.samples, key=lambda s: (s.values.get(waiting, 0), s.t_s), default=None)
    if fullest is None or fullest.values.get(waiting, 0) < CROWD:
        return ""
    values = fullest.values
    told = (
        f"At {fullest.t_s:.0f} s, {values[waiting]:,.0f} callers waited for a database connection. "
        f"{values.get(f'{role}.db_in_use', 0):.0f} had one"
    )
    locked = values.get(f"{role}.db_lock_waits", 0)
    oldest_s = values.get(f"{role}.db_longest_transaction_s")
    times_s = [c.done_s - c.at_s for c in evidence.record.calls if c.operation == params.operation and c.done_s]
    if oldest_s is None or not times_s:
        return f"{told}."
    return (
        f"{told}, and {locked:.0f} of these waited for a row that another transaction had locked: the oldest was "
        f"{oldest_s:.1f} s old, where a {params.operation} takes {median(times_s) * 1000:,.0f} ms."
    )


BOOKS = Books(OrdersParams, label, tell)
