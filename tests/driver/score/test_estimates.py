"""The autoscale lab's judgement: replicas that grow by an autoscaler, what they cost, a machine that starves them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labdriver import lab
from labdriver.load.plan import plan
from labdriver.record import Dependency, Generator, Head, Record, Row, Sample, Stack
from labdriver.score import verdict
from labdriver.score.card import RuleResult, judge
from labdriver.score.evidence import gather, own_words

SCENARIO = lab.load(Path(__file__).resolve().parents[3] / "labs", "autoscale").scenario
PLAN = plan(SCENARIO, seed=SCENARIO.seed)
STARTS_S = (0.0, 6.0, 36.0)  # calm, rush, settled
HEAD = Head(
    lab="autoscale",
    run="20261121T101500Z",
    by="alice",
    runtime="local",
    started_at="2026-11-21T10:15:00.000+00:00",
    scenario=SCENARIO,
    ended="complete",
    load_s=60.0,
    end_s=62.0,
    generator=Generator(lag_p50_ms=0.1, lag_p99_ms=0.5, lag_max_ms=1, cpu_ratio=0.1, pacing="timerfd"),
    dependency=Dependency(intact=True, calls=0, injected={}),
    stack=Stack(),
)


def rows(*, took_ms: float = 100, done_s: float = 0.15) -> tuple[Row, ...]:
    """Every planned request answered rightly after `done_s`, its calculation having taken `took_ms`."""
    found = []
    for seq, (at_s, phase, target) in enumerate(zip(PLAN.intended_s, PLAN.phase, PLAN.target, strict=True)):
        floorplan = target.split("/")[2]
        body = {"floorplan": floorplan, "cost_cents": 1000 + len(floorplan), "pace_ms": 100, "took_ms": took_ms}
        found.append(Row(seq, phase, 0, 0, target, at_s, at_s, at_s + done_s, "ok", 200, "", body))
    return tuple(found)


def record(*replicas: int, bounds: tuple[int, int] | None = (1, 6), took_ms: float = 100, **figures: float) -> Record:
    """A run with so many replicas in calm, rush and settled, wanted and ready alike; one look a second."""
    limits = dict(zip(("replicas_min", "replicas_max"), map(float, bounds), strict=True)) if bounds else {}
    samples = []
    for second in range(60):
        count = float(replicas[sum(second >= start_s for start_s in STARTS_S) - 1])
        values = {"replicas_ready": count, "replicas_wanted": count, "is_measured": 1.0, **limits, **figures}
        samples.append(Sample(second + 0.5, {f"estimator.{name}": value for name, value in values.items()}))
    return Record(HEAD, rows(took_ms=took_ms), tuple(samples), ())


def rule(made: Record, rule_id: str) -> RuleResult:
    return next(rule for rule in judge(made).rules if rule.id == rule_id)


def test_replicas_that_grow_and_serve_all_get_every_point() -> None:
    """One while it is calm, four once it has grown: nothing is lost, and the head of the page says so."""
    made = record(1, 3, 4)
    card = judge(made)
    assert (card.verdict, card.score) == ("VALID", 100)
    assert own_words(gather(made)) == (
        "The load rose from 3 to 20 requests a second. The replicas went from 1 to 4. "
        "Once there had been time to grow, 100 % were answered right and in time."
    )


@pytest.mark.parametrize(
    ("replicas", "bounds", "points", "told"),
    [
        ((1, 2, 2), (1, 6), 30, "1.0 replicas while it was calm, 2.0 under load"),
        ((5, 5, 8), (1, 9), 15, "full points from 2 times as many"),  # 1.6 is half way from 1.2 to 2
        ((1, 1, 1), (1, 6), 0, "1.0 replicas while it was calm, 1.0 under load"),
        ((1, 3, 4), None, 0, "there is no autoscaler"),
        ((5, 5, 5), (5, 5), 0, "may not scale: its least and its most are both 5"),
    ],
)
def test_grown_is_the_factor_between_calm_and_load(
    replicas: tuple[int, ...], bounds: tuple[int, int] | None, points: float, told: str
) -> None:
    """By an autoscaler that may scale, and by nobody else."""
    found = rule(record(*replicas, bounds=bounds), "grown")
    assert found.points == points
    assert told in found.reason


@pytest.mark.parametrize(("replicas", "points"), [((2, 4, 8), 15), ((3, 4, 4), 7.5), ((4, 4, 4), 0), ((1, 4, 16), 0)])
def test_thrift_judges_the_worst_settled_phase(replicas: tuple[int, ...], points: float) -> None:
    """One would do while it is calm, four under load: twice as many are fine, four times are none of the points."""
    assert rule(record(*replicas, bounds=(1, 20)), "thrift").points == points


def test_growth_without_figures_is_not_evaluated() -> None:
    """No data is never a pass."""
    blind = replace(record(1, 3, 4), samples=())
    assert rule(blind, "grown").points == rule(blind, "thrift").points == 0
    assert "is not known" in rule(blind, "grown").reason


@pytest.mark.parametrize(
    ("lie", "why"),
    [({"cost_cents": 1}, "said 1 cents, others were told"), ({"floorplan": "barn-1"}, "told of 'barn-1'")],
)
def test_estimate_that_was_not_calculated_is_dishonest(lie: dict[str, Any], why: str) -> None:
    """A plan has one cost, and the answer is of the plan that was asked for."""
    made = record(1, 3, 4)
    first = next(row for row in made.rows if row.phase == 0)
    told = tuple(replace(row, body={**(row.body or {}), **lie}) if row is first else row for row in made.rows)
    (claim,) = gather(replace(made, rows=told)).dishonest
    assert (claim.row.seq, why in claim.why) == (first.seq, True)


def test_starved_replicas_make_a_run_invalid_and_a_low_limit_does_not() -> None:
    """Half as slow again as its pace is the machine's doing, unless the edit's own limit held it back."""
    assert verdict.of(record(1, 3, 4, took_ms=120))[0] == "VALID"
    found, why = verdict.of(record(1, 3, 4, took_ms=150))
    assert (found, "the work of estimator took 1.5 times as long as its pace" in why) == ("INVALID", True)
    assert verdict.of(record(1, 3, 4, took_ms=500, limit_cores=0.04, replica_cores=0.04))[0] == "VALID"


def test_replicas_that_could_not_be_measured_make_a_run_invalid() -> None:
    """A fifth of the seconds is tolerated; it is the platform that failed, not the edit."""
    made = record(1, 3, 4)

    def blind(count: int) -> Record:
        cut = [replace(s, values=s.values | {"estimator.is_measured": 0.0}) for s in made.samples[:count]]
        return replace(made, samples=(*cut, *made.samples[count:]))

    assert verdict.of(blind(12))[0] == "VALID"
    assert "could not be read in 13 of 60 seconds" in verdict.of(blind(13))[1]
