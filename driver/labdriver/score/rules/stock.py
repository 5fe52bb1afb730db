"""Every home is in stock, reserved or sold: stocked = in stock + pending + paid, and nothing below zero."""

from labdriver.score.books._account import Account
from labdriver.score.evidence import Evidence
from labdriver.score.rule import Judged, Rule
from labdriver.score.rules import _balance
from labdriver.score.rules._balance import BalanceParams, Misfit


def evaluate(evidence: Evidence, params: BalanceParams) -> Judged:
    return _balance.judge(evidence, params, find=_misfits, fine="the homes of all {count} orders add up")


def _misfits(account: Account, _evidence: Evidence) -> list[Misfit]:
    told = []
    for product in account.products.values():
        kept = account.kept(product.sku)
        apart = product.stocked - product.in_stock - len(kept)
        last = kept[-1].id if kept else ""
        if apart:
            what = (
                f"{product.stocked:,} homes {product.sku} were there, {product.in_stock:,} are left, "
                f"{len(kept):,} are sold or reserved"
            )
            told.append(Misfit(last, what, count=abs(apart)))
        elif product.in_stock < 0:
            what = f"{len(kept):,} homes {product.sku} were sold, and there were only {product.stocked:,}"
            told.append(Misfit(last, what, count=-product.in_stock))
    return told


RULE = Rule(BalanceParams, evaluate)
