"""Two runs side by side: a fix is seen, noise is not."""

import re
from dataclasses import replace
from itertools import permutations

import pytest
from tests.driver.record_builder import build, scenario_of
from tests.driver.strategies import Strategy, deadline, invented_price, refuse_all, stale_price, starter

from labdriver.record import Generator, Record
from labdriver.score.compare import compare, compare_figures, compare_groups
from labdriver.score.figures import figures

STARTER, SOLUTION = build(starter, seed=1), build(deadline(0.5), seed=2, run=1)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (starter, deadline(0.5), "improved"),
        (starter, deadline(5), "improved"),
        (deadline(5), deadline(0.5), "improved"),
        (deadline(0.5), stale_price, "improved"),
        (invented_price, deadline(0.5), "improved"),
        (deadline(0.5), starter, "worse"),
        (starter, refuse_all, "worse"),  # everybody is answered at once, and nobody gets a price
        (deadline(0.5), invented_price, "worse"),
    ],
)
def test_real_change_is_seen_in_one_pair(before: Strategy, after: Strategy, expected: str) -> None:
    """What users get decides: right answers before speed."""
    found = compare(build(before, seed=1), build(after, seed=2))
    assert found.verdict == expected
    assert {row.label for row in found.rows} <= {"likely", "within noise"}


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        (starter, {}),
        (starter, {"pool": 82}),  # half of all requests hang: p50 lies on the edge
        (deadline(0.5), {"noise_ms": 80}),
        (deadline(5), {}),
    ],
)
def test_identical_runs_are_never_improved(strategy: Strategy, options: dict[str, float]) -> None:
    """132 ordered pairs of runs that differ by chance alone; bench/report.py has more."""
    taken = [figures(build(strategy, seed=seed, **options)) for seed in range(12)]  # type: ignore[arg-type]
    assert {compare_figures([a], [b]).verdict for a, b in permutations(taken, 2)} == {"same"}


def test_busy_machine_needs_a_larger_change_of_times() -> None:
    """p95 202 → 503 ms is a change where the load went out in time, and noise where it went out 45 ms late."""
    quick, slow = (build(deadline(limit), seed=1) for limit in (0.2, 0.5))
    late = replace(slow, head=slow.head.model_copy(update={"generator": with_lag(slow, lag_p99_ms=45.0)}))
    assert {row.name: row.label for row in compare(quick, slow).rows}["p95 latency"] == "likely"
    assert compare(quick, late).verdict == "same"


def with_lag(made: Record, **update: float) -> Generator:
    assert made.head.generator is not None
    return made.head.generator.model_copy(update=update)


def test_three_runs_on_each_side_prove() -> None:
    """Every after beats every before; with two on one side it stays likely."""
    befores = [build(starter, seed=seed) for seed in range(3)]
    afters = [build(deadline(0.5), seed=seed) for seed in range(3)]
    assert {row.label for row in compare_groups(befores, afters).rows if row.direction} == {"proved"}
    assert {row.label for row in compare_groups(befores, afters[:2]).rows if row.direction} == {"likely"}


def test_overlapping_groups_prove_nothing() -> None:
    """One before that is as good as the afters spoils the proof."""
    befores = [build(starter, seed=1), build(starter, seed=2), build(deadline(0.5), seed=9)]
    afters = [build(deadline(0.5), seed=seed) for seed in range(3)]
    assert compare_groups(befores, afters).verdict == "same"


def reloaded(made: Record, **update: object) -> Record:
    scenario = made.head.scenario.model_copy(update=update)
    return replace(made, head=made.head.model_copy(update={"scenario": scenario}))


def test_different_load_is_refused() -> None:
    """Other seed, phases or length: the figures are shown, no change is claimed."""
    scaled = build(deadline(0.5), scenario=scenario_of().scaled(0.5))
    assert re.match(r"not the same load, it differs in: .*phases", compare(STARTER, scaled).reason)
    assert "seed" in compare(STARTER, reloaded(SOLUTION, seed=1)).reason
    found = compare(STARTER, reloaded(SOLUTION, seed=1))
    assert found.verdict == "refused"
    assert {row.label for row in found.rows} == {"not compared"}


def test_run_that_does_not_count_is_refused() -> None:
    """An interrupted run is no baseline."""
    cut = replace(STARTER, head=STARTER.head.model_copy(update={"ended": "interrupted", "load_s": 7.0}))
    found = compare(cut, SOLUTION)
    assert found.verdict == "refused"
    assert "interrupted at 7 s" in found.reason


def test_change_is_told_in_words() -> None:
    """Shares in points, times as factors, a lower bound as such."""
    rows = {row.name: row for row in compare(STARTER, SOLUTION).rows}
    assert rows["right answers in time"].change_text.endswith(" points")
    assert rows["p95 latency"].before_text.startswith("≥ ")
    assert rows["p95 latency"].change_text.startswith("÷ ")
    assert rows["false answers"].change_text == "="
