"""The timeouts lab's judgement: the starter loses, right fixes win, every wrong fix loses by a named rule."""

from dataclasses import replace

import pytest
from tests.driver.record_builder import build, scenario_of
from tests.driver.strategies import (
    Strategy,
    cache,
    deadline,
    detect_load_tool,
    drop_the_call,
    empty_200,
    health_checks_only,
    invented_price,
    one_retry,
    only_browsers,
    refuse_all,
    some_refused,
    stale_price,
    starter,
)

from labdriver.errors import Misuse
from labdriver.record import Record
from labdriver.score import card
from labdriver.score.card import Card, judge

LOSES_BY = 30


def points(found: Card) -> dict[str, float]:
    return {rule.id: rule.points for rule in found.rules}


@pytest.mark.parametrize("pool", [10, 20, 40])
def test_starter_scores_at_most_35(pool: int) -> None:
    """Once hung calls hold every connection, nobody is served, not even after the fault."""
    found = judge(build(starter, pool=pool))
    assert found.verdict == "VALID"
    assert found.score <= 35
    assert points(found)["recovery"] == 0


@pytest.mark.parametrize("scale", [0.6, 1.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    "fix", [deadline(0.5), deadline(0.4), one_retry, stale_price], ids=["solution", "deadline_only", "retry", "stale"]
)
def test_right_fix_scores_at_least_90(fix: Strategy, seed: int, scale: float) -> None:
    """Several right fixes, all accepted, at either length of the run."""
    found = judge(build(fix, seed=seed, scenario=scenario_of().scaled(scale), noise_ms=20))
    assert found.verdict == "VALID"
    assert found.score >= 90


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (invented_price, "honest"),
        (empty_200, "honest"),
        (drop_the_call, "honest"),
        (cache(stale=False), "honest"),
        (cache(stale=True), "healthy-answers"),
        (deadline(0.02), "healthy-answers"),
        (starter, "hung"),  # a timeout on connecting only behaves like none
        (refuse_all, "healthy-answers"),
        (health_checks_only, "honest"),
        (detect_load_tool, "honest"),
        (only_browsers, "even"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__qualname__.partition(".")[0],
)
def test_wrong_fix_loses_by_a_named_rule(wrong: Strategy, rule: str) -> None:
    """Thirty points and more under the solution, the named rule gives nothing and names requests."""
    solution, found = judge(build(deadline(0.5))), judge(build(wrong))
    assert found.score <= solution.score - LOSES_BY
    decided = next(result for result in found.rules if result.id == rule)
    assert decided.points == 0
    assert decided.lost


def test_failing_honestly_scores_more_than_faking() -> None:
    """The same requests, refused or answered with an invented price."""
    for ratio in (0.05, 0.3, 1.0):
        honest, faked = (judge(build(some_refused(ratio, lie=lie))) for lie in (False, True))
        assert honest.score > faked.score


def test_score_is_the_sum_of_the_points() -> None:
    """Points are told to one decimal, the score to a whole number; nothing else goes in."""
    for strategy in (starter, deadline(0.06), deadline(2)):
        found = judge(build(strategy))
        assert found.score == round(sum(points(found).values()))
        assert all(0 <= rule.points <= rule.max for rule in found.rules)


def test_every_lost_point_names_a_request_and_a_time() -> None:
    """A rule that takes points says by which requests, all of them in the record."""
    made = build(deadline(5))
    rows = {row.seq: row for row in made.scored()}
    for rule in judge(made).rules:
        assert bool(rule.lost) or rule.points == rule.max
        for lost in rule.lost:
            assert (lost.t_s, lost.target) == (rows[lost.seq].intended_s, rows[lost.seq].target)
            assert lost.what


def test_record_without_rows_is_never_a_pass() -> None:
    """No data: every rule says that it judged nothing, the run is INVALID."""
    found = judge(replace(build(deadline(0.5)), rows=()))
    assert (found.score, found.verdict) == (0, "INVALID")
    assert all(rule.reason.startswith("not evaluated: ") for rule in found.rules)
    assert found.metrics["p95_ms"] is None


def test_metrics_account_for_every_request() -> None:
    """attempted = succeeded + failed + unfinished, whatever happened."""
    for strategy in (starter, invented_price, refuse_all, stale_price):
        m = judge(build(strategy)).metrics
        assert m["attempted"] == 800 == m["succeeded"] + m["failed"] + m["unfinished"]
        assert m["unfinished"] == m["hung"] + m["unsent"]


def test_percentile_in_unanswered_requests_is_a_lower_bound() -> None:
    """With a third of all requests unanswered p95 is only known to be at least so much; without any it is exact."""
    assert judge(build(starter)).metrics["p95_censored"]
    assert not judge(build(deadline(0.5))).metrics["p95_censored"]


def test_json_holds_the_contract() -> None:
    """The shape that `run --json` and run.json promise."""
    told = judge(build(starter)).to_json()
    assert {"verdict", "verdict_reason", "score", "rules", "metrics"} == set(told)
    assert {"id", "points", "max", "reason"} <= set(told["rules"][0])
    assert all(len(rule["lost"]) <= card.TOLD_LOSSES for rule in told["rules"])


def changed(made: Record, *, rule: str = "", books: str = "", **params: object) -> Record:
    """The record with its first rule or its books replaced."""
    scenario = made.head.scenario
    if books:
        scenario = scenario.model_copy(update={"books": scenario.books.model_copy(update={"books": books})})
    if rule or params:
        first = scenario.rules[0]
        update = {"rule": rule or first.rule, "params": {**first.params, **params}}
        scenario = scenario.model_copy(update={"rules": (first.model_copy(update=update), *scenario.rules[1:])})
    return replace(made, head=made.head.model_copy(update={"scenario": scenario}))


def test_unknown_rule_or_books_lists_the_known() -> None:
    """A misspelt name is answered with the names there are."""
    made = build(refuse_all)
    with pytest.raises(Misuse, match=r"unknown rules 'sucess', expected one of: .*even, .*latency, success"):
        judge(changed(made, rule="sucess"))
    with pytest.raises(Misuse, match=r"unknown books 'quote', expected one of: .*quotes"):
        judge(changed(made, books="quote"))
    with pytest.raises(Misuse, match=r"rule healthy-answers: patience_ms: .*parameters are: kinds, zero_ratio"):
        card.check(changed(made, patience_ms=3).head.scenario)


def test_shipped_labs_name_rules_and_books_that_exist() -> None:
    """What a scenario names is found before anything runs."""
    card.check(scenario_of())
