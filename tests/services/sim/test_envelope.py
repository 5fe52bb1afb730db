"""Levels over time: no jump but where one is meant, and settled exactly where it is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labsvc.sim.envelope import SETTLED_RATIO, Curve, Envelope
from labsvc.sim.instant import MINUTE_US, NEVER_US
from labsvc.sim.modifier import Modifier, Target

SLOW = st.builds(Curve, curve=st.sampled_from(["linear", "exponential"]), duration_s=st.floats(1, 5000))
CURVES = st.one_of(
    SLOW, st.just(Curve()), st.builds(Curve, duration_s=st.floats(1, 500), spike_ratio=st.floats(0.1, 3))
)
STOP_US = st.integers(0, 100 * MINUTE_US)
AMOUNTS = st.one_of(st.floats(0, 0.9), st.floats(1.1, 20))


@given(CURVES, CURVES, STOP_US, st.integers(0, 300 * MINUTE_US))
def test_levels_stay_between_nothing_and_all(onset: Curve, settling: Curve, stop_us: int, at_us: int) -> None:
    """0 before the start and from the end on, never outside 0 to 1."""
    envelope = Envelope(MINUTE_US, onset, settling, stop_us)
    assert 0 <= envelope.level(at_us) <= 1
    assert envelope.level(MINUTE_US - 1) == 0
    assert envelope.level(envelope.end_us) == envelope.spike(envelope.end_us) == 0


@given(SLOW, SLOW, STOP_US)
def test_a_slow_effect_never_jumps(onset: Curve, settling: Curve, stop_us: int) -> None:
    """At start, peak, stop and end the level changes by less than 1e-5 within a microsecond."""
    envelope = Envelope(MINUTE_US, onset, settling, stop_us)
    for knot_us in (MINUTE_US, envelope.peak_us, stop_us, envelope.end_us):
        assert abs(envelope.level(knot_us) - envelope.level(knot_us - 1)) < 1e-5


@given(CURVES, CURVES, STOP_US, st.integers(0, 200 * MINUTE_US), st.floats(0, 1), st.floats(0, 1))
def test_a_level_is_monotone_between_knots(
    onset: Curve, settling: Curve, stop_us: int, from_us: int, a: float, b: float
) -> None:
    """What exact thinning rests on: the ends of a segment bound what lies in it."""
    envelope = Envelope(MINUTE_US, onset, settling, stop_us)
    until_us = min(envelope.next_knot_us(from_us), from_us + 50 * MINUTE_US)
    ends = sorted((envelope.level(from_us), envelope.level(until_us - 1)))
    at_us = from_us + int(a * (until_us - 1 - from_us))
    assert ends[0] - 1e-12 <= envelope.level(at_us) <= ends[1] + 1e-12
    assert envelope.spike(at_us) <= max(envelope.spike(from_us), envelope.spike(until_us - 1)) + 1e-12


@given(CURVES, CURVES, STOP_US, AMOUNTS)
def test_settled_is_the_first_instant_within_five_percent(
    onset: Curve, settling: Curve, stop_us: int, amount: float
) -> None:
    """Not a microsecond earlier, not one later; and from there on it stays within."""
    envelope = Envelope(MINUTE_US, onset, settling, stop_us)
    modifier = Modifier("m", Target("t", "rate", 60.0), "multiplier", amount, envelope, priority=0, cause="c")
    settled_us = modifier.settled_us
    assert modifier.departure(settled_us) <= SETTLED_RATIO
    if settled_us > stop_us:
        assert modifier.departure(settled_us - 1) > SETTLED_RATIO
    assert modifier.departure((settled_us + envelope.end_us) // 2) <= SETTLED_RATIO


def test_without_a_stop_there_is_no_end() -> None:
    """Nobody knows when it settles."""
    envelope = Envelope(0, Curve(), Curve(curve="linear", duration_s=60))
    assert (envelope.end_us, envelope.settled_us(lambda _: 1.0)) == (NEVER_US, NEVER_US)


def test_a_stop_in_the_onset_settles_from_the_level_reached() -> None:
    """Half way up at the stop, a quarter after half of the settling."""
    slow = Curve(curve="linear", duration_s=100)
    envelope = Envelope(0, slow, slow).stopped(50_000_000)
    assert envelope.level(50_000_000) == 0.5
    assert envelope.level(100_000_000) == 0.25


def test_a_backlog_comes_back_at_once_and_fades() -> None:
    """An instant settling with a spike: no effect left, 80 % above normal, falling to nothing."""
    envelope = Envelope(0, Curve(), Curve(duration_s=100, spike_ratio=0.8), 10_000_000)
    assert (envelope.level(9_999_999), envelope.level(10_000_000)) == (1.0, 0.0)
    assert envelope.spike(10_000_000) == 0.8
    assert envelope.spike(60_000_000) == pytest.approx(0.4)


def test_a_spike_needs_an_instant_end() -> None:
    """A slow settling has no backlog that arrives at once."""
    with pytest.raises(ValidationError, match="needs curve: instant and a duration_s"):
        Curve(curve="linear", duration_s=60, spike_ratio=0.5)
