"""Modifiers: how they combine, what fits what, and their states."""

import pytest

from labsvc.errors import Misuse
from labsvc.sim.envelope import Curve, Envelope
from labsvc.sim.instant import MINUTE_US
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifier import Kind
from labsvc.sim.modifiers import Modifiers

NOW = Envelope(0, Curve(), Curve())
LINEAR = Curve(curve="linear", duration_s=600)


def test_multipliers_then_additives_then_overrides(kernel: Kernel, modifiers: Modifiers) -> None:
    """The documented order holds whatever the order of starting."""
    modifiers.declare("orders", "rate", normal=100)
    modifiers.start("add", "orders", "additive", 20, NOW)
    modifiers.start("half", "orders", "multiplier", 0.5, NOW)
    modifiers.start("twice", "orders", "multiplier", 3, NOW)
    assert modifiers.value("orders", 100) == 100 * 0.5 * 3 + 20
    modifiers.start("low", "orders", "override", 7, NOW, priority=1)
    modifiers.start("lower", "orders", "override", 5, NOW, priority=0)
    assert modifiers.value("orders", 100) == 7


def test_a_fading_override_blends_with_what_lies_under_it(kernel: Kernel, modifiers: Modifiers) -> None:
    """Half way down: half its own value, half of the rest."""
    modifiers.declare("orders", "rate", normal=100)
    modifiers.start("more", "orders", "multiplier", 2, NOW)
    modifiers.start("none", "orders", "override", 0, Envelope(0, Curve(), LINEAR, 0))
    kernel.run_until(5 * MINUTE_US)
    assert modifiers.value("orders", 100) == pytest.approx(100)


def test_of_two_equal_overrides_the_younger_wins(modifiers: Modifiers) -> None:
    """And the warning says so."""
    modifiers.declare("staff", "value", normal=10)
    modifiers.start("first", "staff", "override", 4, NOW)
    modifiers.start("second", "staff", "override", 6, NOW)
    assert modifiers.value("staff", 10) == 6


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("multiplier", "multiplier", "both apply"),
        ("multiplier", "additive", "both apply"),
        ("multiplier", "override", "b overrides the other"),
        ("override", "additive", "a overrides the other"),
        ("override", "override", "both override; b goes on top (priority 0)"),
    ],
)
def test_an_overlap_is_noted_with_its_outcome(
    kernel: Kernel, modifiers: Modifiers, first: Kind, second: Kind, words: str
) -> None:
    """Two modifiers on one target: a warning in the truth that says how they combine."""
    modifiers.declare("orders", "rate", normal=100)
    modifiers.start("a", "orders", first, 2, NOW)
    modifiers.start("b", "orders", second, 2, NOW)
    warnings = [note for note in kernel.truth.rows if note.what == "warning"]
    assert [(w.id, w.data["with"]) for w in warnings] == [("b", "a")]
    assert words in warnings[0].data["how"]


def test_modifiers_of_different_targets_do_not_warn(kernel: Kernel, modifiers: Modifiers) -> None:
    """An overlap is two on one target."""
    for name in ("a", "b"):
        modifiers.declare(name, "rate", normal=100)
        modifiers.start(f"m-{name}", name, "multiplier", 2, NOW)
    assert not [note for note in kernel.truth.rows if note.what == "warning"]


@pytest.mark.parametrize(
    ("target", "kind", "amount", "words"),
    [
        ("order", "multiplier", 2, "unknown target 'order', expected one of: odds, orders"),
        ("orders", "shift", 2, "a shift does not fit 'orders', which is rate: expected multiplier or additive"),
        ("odds", "multiplier", 2, "a multiplier does not fit 'odds', which is odds: expected shift or override"),
        ("odds", "override", 1.2, "is a probability, expected 0 to 1, got 1.2"),
        ("orders", "multiplier", -1, "a multiplier is not negative, got -1"),
        ("orders", "override", -1, "a rate is not negative, got -1"),
    ],
)
def test_what_makes_no_sense_is_refused(
    modifiers: Modifiers, target: str, kind: Kind, amount: float, words: str
) -> None:
    """The message names the value and what was expected."""
    modifiers.declare("orders", "rate", normal=100)
    modifiers.declare("odds", "odds", normal=0.1)
    with pytest.raises(Misuse) as refused:
        modifiers.start("m", target, kind, amount, NOW)
    assert words in str(refused.value)
    assert modifiers.live() == []


def test_states_follow_one_another_at_the_right_instants(kernel: Kernel, modifiers: Modifiers) -> None:
    """Doubled, linear over 10 min: within 5 % of normal after 9.5 min, nothing left after 10."""
    modifiers.declare("orders", "rate", normal=100)
    envelope = Envelope(2 * MINUTE_US, Curve(), LINEAR, 12 * MINUTE_US)
    modifier = modifiers.start("m", "orders", "multiplier", 2, envelope)
    kernel.run_until(60 * MINUTE_US)
    seen = [(note.at_us / MINUTE_US, note.data["state"]) for note in kernel.truth.rows if note.what == "modifier"]
    assert seen == [(0, "pending"), (2, "active"), (12, "settling"), (21.5, "settled"), (22, "gone")]
    assert modifiers.live() == []
    assert modifier.departure(21.5 * MINUTE_US) == pytest.approx(0.05)


def test_a_stop_comes_before_the_planned_end(kernel: Kernel, modifiers: Modifiers) -> None:
    """The plan it had is forgotten."""
    modifiers.declare("orders", "rate", normal=100)
    modifiers.start("m", "orders", "multiplier", 2, Envelope(0, Curve(), LINEAR, 60 * MINUTE_US))
    kernel.run_until(MINUTE_US)
    modifiers.stop("m")
    kernel.run_until(200 * MINUTE_US)
    states = [note.data["state"] for note in kernel.truth.rows]
    assert states == ["active", "settling", "settled", "gone"]
    assert kernel.truth.rows[-1].at_us == 11 * MINUTE_US


def test_a_weak_effect_is_settled_when_it_stops(modifiers: Modifiers) -> None:
    """4 % more than normal is within 5 % of it all along."""
    modifiers.declare("orders", "rate", normal=100)
    modifier = modifiers.start("m", "orders", "multiplier", 1.04, Envelope(0, Curve(), LINEAR, MINUTE_US))
    assert modifier.settled_us == MINUTE_US
