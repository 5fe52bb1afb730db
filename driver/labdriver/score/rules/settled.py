"""No order stays pending: whatever happened to its payment, in the end it is paid, or it is off and its home free."""

from labdriver.score.books._account import Account
from labdriver.score.evidence import Evidence
from labdriver.score.rule import Judged, Rule
from labdriver.score.rules import _balance
from labdriver.score.rules._balance import BalanceParams, Misfit


def evaluate(evidence: Evidence, params: BalanceParams) -> Judged:
    return _balance.judge(evidence, params, find=_misfits, fine="all {count} orders were settled")


def _misfits(account: Account, _evidence: Evidence) -> list[Misfit]:
    return [
        Misfit(order.id, f"order {order.id} is still pending and keeps a home {order.sku} reserved")
        for order in account.orders.values()
        if order.status == "pending"
    ]


RULE = Rule(BalanceParams, evaluate)
