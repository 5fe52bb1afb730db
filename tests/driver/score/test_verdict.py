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


def test_reasons_are_all_told() -> None:
    """Two things went wrong, both are said."""
    both = with_head(SOUND, ended="interrupted", load_s=3.0, stack=Stack(restarts={"api": 1}))
    assert verdict.of(both)[1].count("; ") == 1
