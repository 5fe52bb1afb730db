"""One payment for each paid order, and none besides: no money without an order, no order without money."""

from labdriver.score.books import _ledger
from labdriver.score.books._account import REFERENCE, Account, Order
from labdriver.score.evidence import Evidence
from labdriver.score.rule import Judged, Rule
from labdriver.score.rules import _balance
from labdriver.score.rules._balance import BalanceParams, Misfit

GRACE_S = 0.5  # money taken this shortly before the end may not have reached its order yet


def evaluate(evidence: Evidence, params: BalanceParams) -> Judged:
    return _balance.judge(
        evidence, params, find=_misfits, fine="all {count} orders: each paid one has its payment, no other has any"
    )


def _misfits(account: Account, evidence: Evidence) -> list[Misfit]:
    told = []
    until_s = evidence.record.head.end_s - GRACE_S
    for order_id in account.orders.keys() | account.payments.keys():
        what = _wrong(account, account.orders.get(order_id), order_id, until_s=until_s)
        if what:
            told.append(Misfit(order_id, what))
    return sorted(told, key=lambda misfit: misfit.order_id)


def _wrong(account: Account, order: Order | None, order_id: str, *, until_s: float) -> str:
    """What does not fit about one order, "" when it fits."""
    taken = account.taken(order_id)
    if len(taken) > 1:
        return f"order {order_id} was paid for {len(taken)} times"
    if order is not None and order.status == "paid":
        if not taken:
            return f"order {order_id} is paid, and no money was ever taken"
        answer = taken[0].answer or {}
        if answer.get(REFERENCE) != order.payment_ref:
            return f"order {order_id} names the payment {order.payment_ref!r}, taken was {answer.get(REFERENCE)!r}"
        price_cents = account.products[order.sku].price_cents if order.sku in account.products else None
        if answer.get("amount_cents") != price_cents:
            return f"order {order_id} was paid with {answer.get('amount_cents')} cents, its price is {price_cents}"
        return ""
    if taken and _ledger.answered_at_s(taken[0]) < until_s:
        return f"{order_id}: money was taken, and {f'the order is {order.status}' if order else 'there is no order'}"
    return ""


RULE = Rule(BalanceParams, evaluate)
