"""When a run does not count, and that a participant's own doing always counts."""

from dataclasses import replace
from typing import Any

import pytest
from tests.driver.record_builder import build
from tests.driver.strategies import deadline, drop_the_call, health_checks_only, refuse_all, starter

from labdriver.record import Dependency, Record, Sample, Stack
from labdriver.score import verdict

SOUND = build(deadline(0.5))


def with_head(made: Record, **update: Any) -> Record:
    return replace(made, head=made.head.model_copy(update=update))


def dependency(**update: Any) -> Dependency:
    assert SOUND.head.dependency is not None
    return SOUND.head.dependency.model_copy(update=update)


@pytest.mark.parametrize(
    "strategy", [starter, refuse_all, drop_the_call, health_checks_only, deadline(0.02), deadline(5)]
)
def test_what_the_service_does_is_valid(strategy: Any) -> None:
    """A service that stops calling, leaves early or hangs has only itself to blame."""
    assert verdict.of(build(strategy)) == ("VALID", "")


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ({"ended": "interrupted", "load_s": 7.2}, "interrupted at 7 s of 20 s"),
        ({"ended": "watchdog", "load_s": 20.0}, "the watchdog stopped it after 20 s"),
        ({"generator": None}, "left no account"),
        ({"dependency": None}, "ledger could not be read"),
        ({"dependency": dependency(intact=False, why="it never entered hanging")}, "never entered hanging"),
        (
            {"dependency": dependency(injected={"hang": 3, "trickle": 16, "error": 16, "drop": 16})},
            "hang hardly landed",
        ),
        ({"dependency": dependency(injected={})}, "0 of 320 calls were spoilt, about 80 were promised"),
        ({"stack": Stack(restarts={"api": 1, "depsim": 2, "worker": 0})}, "api once, depsim 2 times"),
    ],
)
def test_what_the_kit_got_wrong_is_invalid(update: dict[str, Any], reason: str) -> None:
    """Each reason in words and figures."""
    found, why = verdict.of(with_head(SOUND, **update))
    assert found == "INVALID"
    assert reason in why


def test_late_generator_is_invalid_and_says_how_late() -> None:
    """More than 50 ms behind for one request in a hundred."""
    assert SOUND.head.generator is not None
    late = SOUND.head.generator.model_copy(update={"lag_p99_ms": 180.0})
    assert "180 ms late" in verdict.of(with_head(SOUND, generator=late))[1]


def test_unsent_requests_are_invalid_above_two_per_cent() -> None:
    """16 of 800 are tolerated, 17 are not; both figures are told."""

    def unsent(count: int) -> Record:
        scored = {row.seq for row in SOUND.scored()[:count]}
        rows = tuple(
            replace(row, sent_s=None, done_s=None, outcome="unsent", status=0) if row.seq in scored else row
            for row in SOUND.rows
        )
        return replace(SOUND, rows=rows)

    assert verdict.of(unsent(16))[0] == "VALID"
    assert "did not send 17 of 800" in verdict.of(unsent(17))[1]


def test_starved_machine_is_invalid_and_a_short_hiccup_is_not() -> None:
    """A machine without CPU to give is told as such, with the figure; half of the seconds have to be bad."""

    def stretched(*ratios: float) -> Record:
        made = build(deadline(0.5))
        samples = [Sample(float(t), {"machine.stretch_ratio": ratio}) for t, ratio in enumerate(ratios)]
        return replace(made, samples=tuple(samples))

    assert verdict.of(stretched(1.1, 1.3, 9.0, 12.0, 1.2)) == ("VALID", "")
    found, reason = verdict.of(stretched(8.0, 9.0, 10.0, 1.0, 9.5))
    assert found == "INVALID"
    assert "took 9.0 times its CPU time" in reason


@pytest.mark.parametrize(
    ("samples", "why", "reason"),
    [
        ({3: {"maintenance_left_s": 2.4}, 4: {"maintenance_left_s": 1.4}}, "", "maintenance during the run at 3 s"),
        ({0: {"maintenance_refused": 5}, 9: {"maintenance_refused": 12}}, "", "and turned 7 requests away"),
        ({}, "new roof", "in maintenance during the run (new roof)"),
        ({-1: {"maintenance_left_s": 1.0}}, "", "maintenance during the run at 0 s"),
    ],
    ids=["seen", "too_short_to_be_seen", "at_the_end", "in_the_warm_up"],
)
def test_maintenance_is_invalid(samples: dict[int, dict[str, float]], why: str, reason: str) -> None:
    """Seen in a sample, counted between two of them, or on when the books were to be read."""
    found, told = verdict.of(maintained(SOUND, samples, why))
    assert found == "INVALID"
    assert reason in told


def test_without_maintenance_and_where_it_does_not_matter_a_run_is_valid() -> None:
    """Zeros and an old count are none; whose requests go to the worker is not met by it."""
    assert verdict.of(maintained(SOUND, {1: {"maintenance_left_s": 0, "maintenance_refused": 5}}, ""))[0] == "VALID"
    on = {1: {"maintenance_left_s": 9.0}}
    requests = tuple(request.model_copy(update={"role": "worker"}) for request in SOUND.head.scenario.requests)
    worker = SOUND.head.scenario.model_copy(update={"requests": requests})
    assert verdict.of(with_head(maintained(SOUND, on, ""), scenario=worker))[0] == "VALID"


def maintained(made: Record, samples: dict[int, dict[str, float]], why: str) -> Record:
    """The same run with these figures of the api."""
    found = tuple(Sample(float(t), {f"api.{k}": v for k, v in values.items()}) for t, values in samples.items())
    return with_head(replace(made, samples=found), stack=made.head.stack.model_copy(update={"maintenance": why}))


def test_reasons_are_all_told() -> None:
    """Two things went wrong, both are said."""
    both = with_head(SOUND, ended="interrupted", load_s=3.0, stack=Stack(restarts={"api": 1}))
    assert verdict.of(both)[1].count("; ") == 1
