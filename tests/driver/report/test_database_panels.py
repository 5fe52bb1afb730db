"""The charts of a database: pool, transactions and sessions, from one-second samples."""

from dataclasses import replace

import pytest
from tests.driver.record_builder import build
from tests.driver.strategies import refuse_all

from labdriver.lab import RuleUse
from labdriver.record import Sample
from labdriver.report.panel import GHOST_KEY, View
from labdriver.report.panels import pool, sessions, transactions
from labdriver.score.card import judge_evidence
from labdriver.score.evidence import gather

FIGURES = ("db_in_use", "db_waiting", "db_longest_transaction_s", "db_lock_waits", "db_idle_in_transaction")
LIMIT = RuleUse(
    id="transactions",
    rule="above",
    title="short",
    points=10,
    params={"figure": "api.db_longest_transaction_s", "what": "long", "limit": 0.12, "zero_ratio": 0.5},
)


def view(*looks: tuple[float, ...]) -> View:
    """A run with one sample a second from second 0, each with the FIGURES in their order."""
    made = build(refuse_all)
    samples = tuple(
        Sample(float(t_s), {f"api.{name}": value for name, value in zip(FIGURES, look, strict=True)})
        for t_s, look in enumerate(looks)
    )
    rules = (made.head.scenario.rules[0].model_copy(update={"points": 90.0}), LIMIT)
    head = made.head.model_copy(update={"scenario": made.head.scenario.model_copy(update={"rules": rules})})
    evidence = gather(replace(made, head=head, samples=samples))
    return View(evidence, judge_evidence(evidence))


BAD = view((10, 0, 0.2, 0, 3), (10, 40, 1.5, 7, 2), (10, 90, 2.5, 9, 1))
WELL = view((1, 0, 0.002, 0, 0), (2, 0, 0.0, 0, 0))
NONE = view()
PARAMS = (
    (pool, pool.PoolParams(role="api")),
    (transactions, transactions.TransactionsParams(role="api")),
    (sessions, sessions.SessionsParams(role="api")),
)


def answers(seen: View) -> list[str]:
    return [panel.PANEL.draw(seen, None, params).answer for panel, params in PARAMS]


def test_answers_say_what_the_samples_hold() -> None:
    """The most that was seen, and for how long."""
    assert answers(BAD) == [
        "Up to 90 callers waited for one of 10 connections, in 2 of 3 seconds.",
        "Longer than 120 ms in 3 of 3 looks; the oldest transaction seen was 2,500 ms old.",
        "Up to 9 sessions waited for a row that another transaction had locked; "
        "up to 3 sat idle with a transaction open.",
    ]


def test_answers_of_a_run_where_nobody_waited() -> None:
    """Said as such, not as a row of noughts."""
    assert answers(WELL) == [
        "Nobody waited when we looked; at most 2 of the pool's connections were in use.",
        "Longer than 120 ms in 0 of 2 looks; the oldest transaction seen was 2 ms old.",
        "No session waited for a row that another transaction had locked; none sat idle with a transaction open.",
    ]


def test_looks_are_counted_as_the_rule_counts_them() -> None:
    """What settles after the 20 s of the load is drawn and may be the oldest, but is no look of the rule."""
    seen = view(*[(1, 0, 0.2, 0, 0)] * 20, (1, 0, 0.9, 0, 0))
    told = "Longer than 120 ms in 20 of 20 looks; the oldest transaction seen was 900 ms old."
    assert answers(seen)[1] == told


def test_run_without_samples_says_so() -> None:
    """A service that was not to be read is no good news."""
    assert answers(NONE) == ["No samples were taken."] * 3


@pytest.mark.parametrize(("panel", "params"), PARAMS, ids=["pool", "transactions", "sessions"])
def test_earlier_run_is_drawn_behind(panel: object, params: object) -> None:
    """Its trace comes first, its key last, and the axis holds both."""
    chart = panel.PANEL.draw(WELL, BAD, params)  # type: ignore[attr-defined]
    assert chart.keys[-1] == GHOST_KEY
    drawn = max(value for trace in chart.traces for value in trace["y"])
    assert max(chart.traces[0]["y"]) == drawn
    assert chart.y_range is not None
    assert chart.y_range[1] > drawn


def test_limit_of_the_rule_is_drawn() -> None:
    """A line at 120 ms; values of nought are drawn at the foot of a log axis."""
    chart = transactions.PANEL.draw(WELL, None, transactions.TransactionsParams(role="api"))
    assert [target.value for target in chart.targets] == [120]
    assert chart.traces[0]["y"] == [2, transactions.LEAST_MS]
