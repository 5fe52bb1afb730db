"""Orders against payments: what may be told to a customer, and which books balance. A shop of a few orders, by hand."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.driver.record_builder import build
from tests.driver.strategies import refuse_all

from labdriver import lab
from labdriver.record import Call, Record, Row, Sample
from labdriver.score import card
from labdriver.score.books.orders import OrdersParams, label
from labdriver.score.evidence import Claim, Evidence, own_words
from labdriver.score.rule import Judged
from labdriver.score.rules import above, payments, settled, stock
from labdriver.score.rules._balance import BalanceParams

TX = lab.load(Path(__file__).resolve().parents[3] / "labs", "tx").scenario
HEAD = build(refuse_all).head.model_copy(update={"scenario": TX, "lab": "tx", "load_s": 18.0, "end_s": 20.0})
PARAMS = OrdersParams(operation="payment")
STRICT = BalanceParams(zero_ratio=0.5, needs_in_time_ratio=0)
PRICE_CENTS = 100


@dataclass
class Shop:
    """Orders of one home, a second apart, each answered after 200 ms. Everything fits until told otherwise."""

    stocked: int = 10
    in_stock: int = 10
    orders: list[dict[str, Any]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def order(
        self, status: str | None = "paid", *, told: int = 200, outcome: str | None = "answered", **body: Any
    ) -> str:
        """One customer. `status`: of the order in the database, None: not stored; `outcome`: of the payment call."""
        n = len(self.rows)
        order_id, t_s = f"o-{n}", float(n)
        if status:
            reference = f"p-{n}" if status == "paid" else None
            self.orders.append(
                {"id": order_id, "sku": "cedar-60", "amount_cents": 100, "status": status, "payment_ref": reference}
            )
            self.in_stock -= status != "failed"
        if outcome:
            self.pay(order_id, f"p-{n}", at_s=t_s, outcome=outcome)
        words = {200: "paid", 202: "pending", 402: "failed", 409: "sold-out"}
        answer = {"order": order_id, "status": words.get(told), **({"payment_ref": f"p-{n}"} if told == 200 else {})}
        row = Row(n, 0, 0, 0, "/orders?sku=cedar-60", t_s, t_s, t_s + 0.2, "ok", told, "", answer | body)
        self.rows.append(row if told < 400 else replace(row, outcome="failed"))
        return order_id

    def pay(self, order_id: str, reference: str, *, at_s: float, outcome: str = "answered", cents: int = 100) -> None:
        """One call to the payment service, answered after 150 ms if it is answered."""
        answer = {"order": order_id, "payment_ref": reference, "amount_cents": cents} if outcome == "answered" else None
        self.calls.append(Call("c", "payment", order_id, "launch", at_s + 0.01, at_s + 0.16, outcome, answer))

    def record(self, **books: Any) -> Record:
        product = {"sku": "cedar-60", "stocked": self.stocked, "in_stock": self.in_stock, "price_cents": PRICE_CENTS}
        found = {"products": [product], "orders": self.orders} | books
        return Record(HEAD, tuple(self.rows), (), tuple(self.calls), found)

    def claims(self) -> list[Claim]:
        return label(self.record(), PARAMS)


def told(status: str | None, **order: Any) -> Claim:
    """The label of a single customer's answer."""
    shop = Shop()
    shop.order(status, **order)
    return shop.claims()[0]


@pytest.mark.parametrize(
    "order",
    [
        {"status": "paid"},
        {"status": "paid", "told": 202},
        {"status": "failed", "told": 202, "outcome": "error"},
        {"status": "failed", "told": 402, "outcome": "error"},
        {"status": None, "told": 402, "outcome": "drop"},
    ],
    ids=["paid", "accepted_and_paid", "accepted_and_declined", "declined", "declined_and_rolled_back"],
)
def test_what_the_books_say_is_good(order: dict[str, Any]) -> None:
    """Paid, accepted and settled, or refused because the payment service refused: each is a right answer."""
    assert told(**order).label == "good"


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ({"status": None}, "no order was stored"),
        ({"status": "pending"}, "said paid, but the order is pending"),
        ({"status": "paid", "outcome": None}, "no payment was taken"),
        ({"status": "paid", "outcome": "error"}, "no payment was taken"),
        ({"status": "paid", "payment_ref": "p-x"}, "said paid by 'p-x', taken was 'p-0'"),
        ({"status": None, "told": 202, "outcome": None}, "said accepted, but no order was stored"),
        ({"status": "paid", "told": 202, "outcome": None}, "the order is paid, no payment was taken"),
        ({"status": "failed", "told": 202}, "the order is failed, a payment was taken"),
        ({"status": "pending", "told": 402, "outcome": "error"}, "off, but the order is pending"),
        ({"status": None, "told": 402}, "the money was taken, the answer was 402"),
        ({"status": None, "told": 503}, "the money was taken, the answer was 503"),
        ({"status": None, "told": 402, "outcome": None}, "the payment service was never asked"),
        ({"status": None, "told": 409, "outcome": None}, "said sold out, with 10 of 10 homes cedar-60 left"),
        ({"status": None, "told": 409}, "said sold out, and took the money"),
        ({"status": "paid", "told": 204}, "which nobody can check"),
        ({"status": "paid", "order": 7}, "names no order"),
    ],
)
def test_anything_else_is_dishonest(order: dict[str, Any], why: str) -> None:
    """Refusals too: whoever is told one thing while the books hold another was lied to."""
    found = told(**order)
    assert found.label == "dishonest"
    assert why in found.why


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ({"status": "pending", "told": 202}, "not settled by the end"),
        ({"status": "failed", "told": 402, "outcome": "abandoned"}, "did not wait for the payment service"),
        ({"status": None, "told": 503, "outcome": None}, "answered 503"),
        ({"status": None, "told": 500, "outcome": None, "order": None}, "answered 500"),
    ],
)
def test_honest_failure_is_no_lie(order: dict[str, Any], why: str) -> None:
    """Late, impatient or broken, but nobody was told anything false."""
    found = told(**order)
    assert found.label == "failed"
    assert why in found.why


def test_paid_said_before_the_payment_was_taken_is_dishonest() -> None:
    """The payment stands in the ledger 300 ms after the customer was told of it: fire and forget."""
    shop = Shop()
    shop.order()
    shop.calls = [replace(shop.calls[0], done_s=0.5)]
    found = shop.claims()[0]
    assert found.label == "dishonest"
    assert "said paid 300 ms before" in found.why


def test_sold_out_is_right_when_nothing_is_left_but_what_came_back() -> None:
    """One home, sold; and a second one that was given back only after the refusal."""
    shop = Shop(stocked=1, in_stock=1)
    shop.order()
    shop.order(None, told=409, outcome=None)
    assert [claim.label for claim in shop.claims()] == ["good", "good"]
    shop.order("failed", told=402, outcome="error")
    shop.in_stock = 1
    shop.orders[0]["status"] = "failed"
    assert shop.claims()[1].label == "good"


def test_order_of_another_home_is_dishonest() -> None:
    """Asked for cedar-60, stored something else: a way round the hot row."""
    shop = Shop()
    shop.order()
    shop.orders[0]["sku"] = "birch-50"
    assert "asked for cedar-60, the order is of birch-50" in shop.claims()[0].why


def test_paid_twice_is_dishonest_and_told_twice_is_not() -> None:
    """Two payments with two references, against one payment that was answered twice for the same key."""
    shop = Shop()
    shop.pay(shop.order(), "p-again", at_s=0)
    shop.pay(shop.order(), "p-1", at_s=1)
    assert [claim.label for claim in shop.claims()] == ["dishonest", "good"]
    judged = payments.evaluate(Evidence(shop.record(), tuple(shop.claims())), STRICT)
    assert "1 of 2 orders do not fit (50 %)" in judged.reason
    assert [lost.seq for lost in judged.lost] == [0]


@pytest.mark.parametrize(
    ("stocked", "in_stock", "why"),
    [(10, 9, "3 homes cedar-60 were sold, but only 1 left the stock"), (1, -2, "3 of 1 homes cedar-60 were sold")],
    ids=["lost_updates", "below_zero"],
)
def test_the_last_orders_of_an_oversold_home_are_dishonest(stocked: int, in_stock: int, why: str) -> None:
    """Three sold with one home between them: the first has it, the other two were lied to."""
    shop = Shop(stocked=stocked)
    for _ in range(3):
        shop.order()
    shop.in_stock = in_stock
    found = shop.claims()
    assert [claim.label for claim in found] == ["good", "dishonest", "dishonest"]
    assert why in found[1].why
    judged = stock.evaluate(Evidence(shop.record(), tuple(found)), STRICT)
    assert judged.share == 0
    assert "2 of 3 orders do not fit" in judged.reason


def test_without_the_database_nothing_is_right() -> None:
    """Books that could not be read prove nothing, and no rule on them gives points."""
    shop = Shop()
    shop.order()
    record = replace(shop.record(), books={})
    claims = tuple(label(record, PARAMS))
    assert [claim.label for claim in claims] == ["failed"]
    for rule in (payments, stock, settled):
        assert rule.evaluate(Evidence(record, claims), STRICT).share is None


def balance(shop: Shop, rule: Any, params: BalanceParams = STRICT) -> Judged:
    judged: Judged = rule.evaluate(Evidence(shop.record(), tuple(shop.claims())), params)
    return judged


def test_tidy_books_get_all_points() -> None:
    """Paid ones have their payment, failed ones have given back, nothing is pending."""
    shop = Shop()
    shop.order()
    shop.order("failed", told=402, outcome="error")
    assert [balance(shop, rule).share for rule in (payments, stock, settled)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ({"status": "paid", "outcome": None}, "o-1 is paid, and no money was ever taken"),
        ({"status": None, "told": 500}, "o-1: money was taken, and there is no order"),
        ({"status": "failed", "told": 402}, "o-1: money was taken, and the order is failed"),
    ],
)
def test_payments_without_orders_and_orders_without_payments_are_found(order: dict[str, Any], why: str) -> None:
    """One of two orders does not fit, where half of them would cost all points."""
    shop = Shop()
    shop.order()
    shop.order(**order)
    judged = balance(shop, payments)
    assert judged.share == 0
    assert why in judged.reason


def test_payment_of_another_amount_is_found() -> None:
    """Paid with one cent."""
    shop = Shop()
    shop.pay(shop.order(outcome=None), "p-0", at_s=0, cents=1)
    assert "was paid with 1 cents, its price is 100" in balance(shop, payments).reason


def test_payment_just_before_the_end_may_still_be_on_its_way() -> None:
    """Taken 200 ms before the end of the run, its order not yet told: nobody's fault."""
    shop = Shop()
    shop.order()
    shop.order("pending", told=202)
    shop.calls[1] = replace(shop.calls[1], done_s=HEAD.end_s - 0.2)
    assert balance(shop, payments).share == 1


def test_pending_orders_are_counted() -> None:
    """One of four, where half would cost all points: half of them are left."""
    shop = Shop()
    for _ in range(3):
        shop.order()
    shop.order("pending", told=202, outcome=None)
    judged = balance(shop, settled)
    assert judged.share == pytest.approx(0.5)
    assert "still pending and keeps a home cedar-60 reserved" in judged.reason


def test_tidy_books_of_a_shop_that_serves_nobody_are_no_achievement() -> None:
    """One right answer of ten: the books fit, and give nothing."""
    shop = Shop()
    shop.order()
    for _ in range(9):
        shop.order(None, told=503, outcome=None)
    gated = BalanceParams(zero_ratio=0.5, needs_in_time_ratio=0.5)
    for rule in (payments, stock, settled):
        judged = balance(shop, rule, gated)
        assert judged.share == 0
        assert "only 10 % of all requests got a right answer" in judged.reason


WAITING = above.AboveParams(
    figure="api.db_waiting", what="people waited", limit=3, full_ratio=0.0, zero_ratio=0.5, needs_ok_ratio=0
)


def looked(values: dict[float, float]) -> Evidence:
    """Evidence with one good request a second and samples of one figure."""
    shop = Shop(stocked=50, in_stock=50)
    for _ in range(18):
        shop.order()
    samples = tuple(Sample(t_s, {"api.db_waiting": value}) for t_s, value in values.items())
    return Evidence(replace(shop.record(), samples=samples), tuple(shop.claims()))


def test_above_counts_looks_over_the_limit_within_the_load() -> None:
    """3 of 18 looks above the limit of 3; zero at a half leaves two thirds. Warm-up and settling are not looked at."""
    values = {float(second): 9.0 if second in (5, 6, 7) else 3.0 for second in range(18)} | {-1.0: 9.0, 19.0: 9.0}
    judged = above.evaluate(looked(values), WAITING)
    assert judged.share == pytest.approx(1 - (3 / 18) / 0.5)
    assert judged.reason.startswith("people waited in 3 of 18 looks")
    assert [(lost.t_s, lost.seq) for lost in judged.lost] == [(5.0, 5), (6.0, 6), (7.0, 7)]


def test_above_without_enough_looks_is_not_evaluated() -> None:
    """A service that does not tell its figures gets no points for them."""
    assert above.evaluate(looked({0.0: 0.0, 1.0: 0.0}), WAITING).share is None
    assert above.evaluate(looked({}), WAITING).share is None


def test_the_lab_names_rules_and_books_that_exist() -> None:
    """What the scenario names is there, with the parameters it gives."""
    card.check(TX)


def test_head_of_the_page_says_who_waited_for_what() -> None:
    """The fullest second with its figures; without a crowd, the good news; with false answers, those."""
    seen = looked({4.0: 2.0, 5.0: 40.0})
    crowd = {
        "api.db_waiting": 40.0,
        "api.db_in_use": 10.0,
        "api.db_lock_waits": 7.0,
        "api.db_longest_transaction_s": 2.5,
    }
    full = replace(seen, record=replace(seen.record, samples=(*seen.record.samples, Sample(6.0, crowd))))
    assert own_words(full).startswith(
        "At 6 s, 40 callers waited for a database connection. 10 had one, and 7 of these waited for a row that another "
        "transaction had locked: the oldest was 2.5 s old, where a payment takes 150 ms."
    )
    assert own_words(looked({4.0: 2.0})) == (
        "100 % of all requests got a right answer in time; nobody waited longer than 200 ms."
    )
    shop = Shop()
    shop.order(outcome=None)
    assert own_words(Evidence(shop.record(), tuple(shop.claims()))).startswith("1 of 1 answers were not what the books")
