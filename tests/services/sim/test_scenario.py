"""Scenario files: all faults at once, each where it stands, each with what would be right."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labsvc.errors import Misuse
from labsvc.sim.scenario import load

Shop = Callable[..., Any]

GOOD = """\
schema_version: 1
id: rush
title: Rush of orders
duration_s: 10800
onset: {curve: linear, duration_s: 600}
settling: {curve: linear, duration_s: 3600}
effects:
  - id: more
    target: orders
    multiplier: 2.5
  - id: declines
    target: order.placed.declined
    shift: 1.0
    delay_s: 60
cascades:
  - id: tired
    after: more
    delay_s: 1800
    chance_ratio: 0.5
    effects:
      - {id: fewer-staff, target: desk.staff, override: 2}
  - id: and-so-on
    after: fewer-staff
    delay_s: 60
    effects:
      - {id: slow, target: order.paid.delay, multiplier: 3}
events:
  - id: viral
    type: marketing
    title: A video goes viral
    expected: {targets: [orders], direction: increase, magnitude: high, duration_s: 7200}
    causes: [more]
  - id: strike
    at_s: -3600
    type: competitive
    title: A competitor is on strike
    red_herring: true
    expected: {direction: mixed, magnitude: low, duration_s: 60}
"""

BROKEN = """\
schema_version: 2
id: other
title: Broken
duration_s: -5
setling: {curve: linear}
onset: {curve: quadratic}
effects:
  - id: more
    target: order
    multiplier: 2
  - id: more
    target: orders
    multiplyer: 2
  - id: both
    target: orders
    multiplier: -2
    additive: 3
  - id: odd
    target: order.placed.declined
    multiplier: 2
cascades:
  - id: c
    after: nobody
    delay_s: 5
    effects: []
  - id: d
    after: round
    delay_s: 5
    effects:
      - {id: round, target: orders, additive: 5}
events:
  - id: news
    type: marketting
    title: News
    expected: {targets: [ordrs], direction: up, magnitude: high, duration_s: 1}
  - id: cause
    type: marketing
    title: Cause
    at_s: -5
    causes: [more, round]
    red_herring: true
    expected: {direction: increase, magnitude: high, duration_s: 1}
"""

EXPECTED = [
    (1, "schema_version: Input should be 1 (got 2)"),
    (2, "id is 'other', expected the file's name, 'broken'"),
    (4, "duration_s: Input should be greater than 0 (got -5)"),
    (5, "unknown key setling, expected one of: cascades, description"),
    (5, "did you mean settling?"),
    (6, "onset.curve: Input should be 'instant', 'linear' or 'exponential' (got 'quadratic')"),
    (9, "unknown target 'order', expected one of: desk.staff, order.declined.delay"),
    (11, "effect id 'more' is taken"),
    (11, "an effect has exactly one of multiplier, additive, override, shift, got none"),
    (13, "unknown key effects.1.multiplyer, expected one of: additive"),
    (13, "did you mean multiplier?"),
    (14, "an effect has exactly one of multiplier, additive, override, shift, got multiplier and additive"),
    (16, "a multiplier is not negative, got -2"),
    (20, "a multiplier does not fit 'order.placed.declined', which is odds: expected shift or override"),
    (23, "unknown effect 'nobody', expected one of: both, more, odd, round"),
    (25, "cascades.0.effects: Tuple should have at least 1 item"),
    (27, "the cascade waits for 'round', which only follows from itself"),
    (32, "event 'news' causes nothing: give it either causes or red_herring: true"),
    (33, "unknown type 'marketting', expected one of: academic, competitive"),
    (33, "did you mean marketing?"),
    (35, "unknown target 'ordrs', expected one of:"),
    (35, "events.0.expected.direction: Input should be 'increase', 'decrease' or 'mixed' (got 'up')"),
    (36, "event 'cause' causes effects and is a red herring"),
    (39, "at_s is -5: an event of the past cannot cause what is still to come"),
    (40, "unknown effect 'round', expected one of: both, more, odd"),
]


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_a_good_file_is_read_whole(shop: Shop, tmp_path: Path) -> None:
    """Every part arrives where it belongs."""
    scenario = load(write(tmp_path, rush=GOOD), shop().simulation.modifiers)["rush"]
    assert [(e.id, e.amount) for e in scenario.effects] == [("more", ("multiplier", 2.5)), ("declines", ("shift", 1.0))]
    assert [effect.id for cascade in scenario.cascades for effect in cascade.effects] == ["fewer-staff", "slow"]
    assert scenario.events[0].causes == ("more",)
    assert scenario.settling.duration_s == 3600


def test_all_faults_are_told_at_once_with_file_and_line(shop: Shop, tmp_path: Path) -> None:
    """Of shape and of sense, of every file, in the order of the lines; a good file beside them has none."""
    folder = write(tmp_path, broken=BROKEN, rush=GOOD)
    with pytest.raises(Misuse) as refused:
        load(folder, shop().simulation.modifiers)
    told = str(refused.value).splitlines()
    path = folder / "broken.yaml"
    for line, words in EXPECTED:
        assert [t for t in told if t.startswith(f"{path}:{line}: ") and words in t], (line, words, told)
    assert all(t.startswith(f"{path}:") for t in told)
    assert {(int(t.split(":")[1])) for t in told} == {line for line, _ in EXPECTED}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id: [", "bad.yaml:1: not YAML"),
        ("", "bad.yaml:1: the file is empty"),
        ("- a\n- b\n", "bad.yaml:1: the file: Input should be a valid dictionary"),
        ("schema_version: 1\nid: bad\ntitle: a\ntitle: b\n", "bad.yaml:4: key 'title' stands here for the second time"),
        ("schema_version: 1\nid: bad\n", "bad.yaml:1: title: Field required"),
        (
            "schema_version: 1\nid: bad\ntitle: x\nsettling: {duration_s: 9, spike_ratio: 1}\n"
            "effects:\n- {id: a, target: order.placed.declined, shift: 1}\n",
            "bad.yaml:6: 'order.placed.declined' is odds, which have no backlog",
        ),
        (
            "schema_version: 1\nid: bad\ntitle: x\nonset: {duration_s: 9, spike_ratio: 1}\n",
            "bad.yaml:4: a backlog comes at the end: spike_ratio belongs to settling",
        ),
    ],
)
def test_files_that_are_no_scenarios_say_why(shop: Shop, tmp_path: Path, text: str, words: str) -> None:
    """Also when nothing in them can be read."""
    with pytest.raises(Misuse) as refused:
        load(write(tmp_path, bad=text), shop().simulation.modifiers)
    assert words in str(refused.value)


def test_a_world_with_a_broken_scenario_does_not_start(shop: Shop, tmp_path: Path) -> None:
    """Validated on load, not when a facilitator presses the button."""
    with pytest.raises(Misuse, match="did you mean settling"):
        shop(scenarios=write(tmp_path, broken=BROKEN))
