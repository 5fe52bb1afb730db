"""What the rules on orders share: an account of both sides, and points by the share of orders that do not fit.

A shop that serves nobody has tidy books. So these rules give nothing when too few people got a right answer in time.
"""

from collections.abc import Callable
from dataclasses import dataclass

from labdriver.lab import Model, Share
from labdriver.score.books._account import Account, open_account
from labdriver.score.evidence import Evidence, share
from labdriver.score.rule import Judged, Lost, linear, losses, percent
from labdriver.score.rules import _gate


class BalanceParams(Model):
    needs_in_time_ratio: Share = 0.5  # share of right answers in time among all scored requests
    full_ratio: Share = 0.0  # share of all orders that may not fit, up to which all points are given
    zero_ratio: Share


@dataclass(frozen=True)
class Misfit:
    """An order that does not fit, or several of a kind."""

    order_id: str
    what: str
    count: int = 1


Find = Callable[[Account, Evidence], list[Misfit]]


def judge(evidence: Evidence, params: BalanceParams, *, find: Find, fine: str) -> Judged:
    """Linear from `full_ratio` to `zero_ratio` of the orders; `fine` is the reason when all of them fit."""
    if not evidence.claims:
        return _gate.NOBODY
    operation = str(evidence.record.head.scenario.books.params.get("operation", ""))
    account = open_account(evidence.record, operation=operation)
    if account is None:
        return Judged(None, "not evaluated: the database could not be read")
    known = len(account.orders.keys() | account.payments.keys())
    if not known:
        return Judged(None, "not evaluated: there was not a single order")
    misfits = find(account, evidence)
    count = sum(misfit.count for misfit in misfits)
    ratio = share(count, known)
    reason = fine.format(count=known)
    if misfits:
        reason = f"{count} of {known} orders do not fit ({percent(ratio)}), such as: {misfits[0].what}"
    value = linear(ratio, zero=params.zero_ratio, full=params.full_ratio)
    served_ratio = share(sum(evidence.in_time(claim) for claim in evidence.claims), len(evidence.claims))
    if value and served_ratio < params.needs_in_time_ratio:
        return Judged(
            0,
            f"only {percent(served_ratio)} of all requests got a right answer in time, "
            f"{percent(params.needs_in_time_ratio)} are needed before this counts: tidy books of a shop that serves "
            "nobody are no achievement",
            losses(claim for claim in evidence.claims if not claim.right),
        )
    return Judged(value, reason, tuple(_lost(account, evidence, misfit) for misfit in misfits))


def _lost(account: Account, evidence: Evidence, misfit: Misfit) -> Lost:
    """The request that was told of the order; the first of all when nobody was."""
    row = account.rows.get(misfit.order_id) or evidence.record.scored()[0]
    return Lost.of(row, misfit.what)
