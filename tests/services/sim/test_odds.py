"""Odds: shifts stay within 0 to 1, and a choice changes only as far as it is asked to."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsvc.errors import Misuse
from labsvc.sim.entity import Origin, entity
from labsvc.sim.envelope import Curve, Envelope
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifier import Kind, Modifier, Target
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.odds import Odds, moved

TABLE = {"confirmed": 0.75, "declined": 0.15, "expired": 0.10}
NOW = Envelope(0, Curve(), Curve())
TABLES = st.lists(st.floats(0.01, 1), min_size=2, max_size=5).map(
    lambda weights: {f"o{k}": w / math.fsum(weights) for k, w in enumerate(weights)}
)


@given(TABLES, st.floats(-8, 8))
def test_a_shift_moves_the_log_odds_of_one_outcome(table: dict[str, float], amount: float) -> None:
    """By exactly its amount; the sum stays 1 and the others keep their proportions."""
    modifier = Modifier("m", Target("t", "odds", 0.5), "shift", amount, NOW, priority=0, cause="c")
    after = moved(table, "o0", modifier, 0)
    assert math.fsum(after.values()) == pytest.approx(1)
    assert math.log(after["o0"] / (1 - after["o0"])) == pytest.approx(
        math.log(table["o0"] / (1 - table["o0"])) + amount, abs=1e-6
    )
    others = [name for name in table if name != "o0"]
    ratios = {round(after[name] / table[name], 9) for name in others}
    assert max(ratios) - min(ratios) < 1e-6


@given(TABLES, st.floats(0, 1))
def test_an_override_sets_the_probability(table: dict[str, float], value: float) -> None:
    """To its value, the others share the rest as before."""
    modifier = Modifier("m", Target("t", "odds", 0.5), "override", value, NOW, priority=0, cause="c")
    after = moved(table, "o0", modifier, 0)
    assert after["o0"] == pytest.approx(value)
    assert math.fsum(after.values()) == pytest.approx(1)


def test_certainty_can_be_overridden() -> None:
    """Outcomes that had no share get the rest in equal parts."""
    modifier = Modifier("m", Target("t", "odds", 1.0), "override", 0.4, NOW, priority=0, cause="c")
    assert moved({"a": 1.0, "b": 0.0, "c": 0.0}, "a", modifier, 0) == pytest.approx({"a": 0.4, "b": 0.3, "c": 0.3})


def choices(modifiers: Modifiers, odds: Odds, n: int) -> list[tuple[str, str | None]]:
    return [odds.choose(entity(Origin("orders"), k), "outcome") for k in range(1, n + 1)]


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [("declined", "shift", 1.5)],
        [("confirmed", "shift", -2.0), ("declined", "shift", 1.0)],
        [("expired", "override", 0.95)],
        [("declined", "shift", 1.0), ("expired", "override", 0.3), ("confirmed", "override", 0.5)],
    ],
)
def test_choices_have_the_present_odds(
    kernel: Kernel, modifiers: Modifiers, changes: list[tuple[str, Kind, float]]
) -> None:
    """20,000 choices: each outcome within 4 standard errors of what `present` says."""
    odds = Odds(kernel, modifiers, "answer", TABLE)
    for k, (outcome, kind, amount) in enumerate(changes):
        modifiers.start(f"m{k}", f"answer.{outcome}", kind, amount, NOW, priority=k)
    found = Counter(outcome for outcome, _ in choices(modifiers, odds, 20_000))
    for outcome, p in odds.present().items():
        assert abs(found[outcome] / 20_000 - p) < 4 * math.sqrt(p * (1 - p) / 20_000) + 1e-12


def test_a_shift_changes_no_more_than_it_must(kernel: Kernel, modifiers: Modifiers) -> None:
    """Choices change only towards the shifted outcome, in the share that the odds moved, and say by what."""
    odds = Odds(kernel, modifiers, "answer", TABLE)
    normal = choices(modifiers, odds, 20_000)
    modifiers.start("fees", "answer.declined", "shift", 1.5, NOW)
    changed = choices(modifiers, odds, 20_000)
    different = [(a, b) for (a, _), (b, _) in zip(normal, changed, strict=True) if a != b]
    assert {after for _, after in different} == {"declined"}
    p = odds.present()["declined"] - TABLE["declined"]
    assert abs(len(different) / 20_000 - p) < 4 * math.sqrt(p * (1 - p) / 20_000)
    causes = {cause for (a, _), (b, cause) in zip(normal, changed, strict=True) if a != b}
    assert causes == {"modifier:fees"}
    assert all(cause is None for (a, _), (b, cause) in zip(normal, changed, strict=True) if a == b)
    assert kernel.truth.counts["changed", "modifier:fees", "answer.declined"] == len(different)


@pytest.mark.parametrize("table", [{}, {"a": 0.5, "b": 0.4}, {"a": 1.5, "b": -0.5}])
def test_odds_that_do_not_add_up_are_refused(kernel: Kernel, modifiers: Modifiers, table: dict[str, float]) -> None:
    """The message shows the table."""
    with pytest.raises(Misuse, match="expected probabilities that add up to 1"):
        Odds(kernel, modifiers, "answer", table)
