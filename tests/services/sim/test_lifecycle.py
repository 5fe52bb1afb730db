"""Scenarios as a facilitator runs them: trigger, stop, reset, one at a time, and the truth about all of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labsvc.errors import Misuse
from labsvc.sim.instant import HOUR_US, MINUTE_US
from labsvc.sim.lifecycle import Refused

Shop = Callable[..., Any]

EXPECTED = "expected: {direction: increase, magnitude: high, duration_s: 7200}"
RUSH = f"""\
schema_version: 1
id: rush
title: Rush of orders
duration_s: 7200
onset: {{curve: linear, duration_s: 600}}
settling: {{curve: linear, duration_s: 3600}}
effects:
  - {{id: more, target: orders, multiplier: 3}}
  - {{id: late, target: orders, additive: 40, delay_s: 3600, duration_s: 1800}}
cascades:
  - id: tired
    after: more
    delay_s: 1800
    effects: [{{id: fewer-staff, target: desk.staff, override: 2}}]
  - id: never
    after: more
    delay_s: 60
    chance_ratio: 0
    effects: [{{id: unseen, target: orders, additive: 1}}]
events:
  - {{id: viral, at_s: 300, type: marketing, title: A video, causes: [more], {EXPECTED}}}
  - {{id: strike, at_s: 5400, type: competitive, title: A strike, red_herring: true, {EXPECTED}}}
  - {{id: before, at_s: -600, type: product, title: A release, red_herring: true, {EXPECTED}}}
"""
OUTAGE = """\
schema_version: 1
id: outage
title: Payments fail
settling: {duration_s: 7200, spike_ratio: 0.8}
effects:
  - {id: none, target: orders, override: 0}
  - id: fail
    target: order.placed.declined
    override: 0.95
    settling: {curve: exponential, duration_s: 1800}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rush.yaml").write_text(RUSH)
    (tmp_path / "outage.yaml").write_text(OUTAGE)
    return tmp_path


def phases(run: Any, what: str = "scenario") -> list[tuple[str, float, str]]:
    """(id, minutes since the first note, phase or state) of the truth's notes of a kind."""
    rows = [note for note in run.kernel.truth.rows if note.what == what]
    first_us = rows[0].at_us
    return [(r.id, round((r.at_us - first_us) / MINUTE_US, 6), r.data.get("phase") or r.data["state"]) for r in rows]


def test_a_scenario_goes_through_its_phases_by_itself(shop: Shop, folder: Path) -> None:
    """Active for its two hours; settled when three times the rate is back within 5 %, after 58.5 of 60 minutes."""
    run = shop(scenarios=folder).hours(8)
    run.kernel.command("scenario.trigger", id="rush")
    run.hours(4)
    assert phases(run) == [("rush.1", 0, "active"), ("rush.1", 120, "settling"), ("rush.1", 178.5, "settled")]
    states = {
        id: [(minute, state) for i, minute, state in phases(run, "modifier") if i == id]
        for id in ("rush.1/more", "rush.1/late", "rush.1/fewer-staff")
    }
    assert states == {
        "rush.1/more": [(0, "pending"), (5, "active"), (120, "settling"), (178.5, "settled"), (180, "gone")],
        "rush.1/late": [(0, "pending"), (60, "active"), (90, "settling"), (145.5, "settled"), (150, "gone")],
        "rush.1/fewer-staff": [(35, "active"), (120, "settling"), (174, "settled"), (180, "gone")],
    }
    assert run.simulation.modifiers.live() == []
    assert run.simulation.scenarios.present()["activations"][0]["phase"] == "settled"
    assert run.shop.desk.on_duty() == 4


def test_one_scenario_is_active_at_a_time_and_earlier_ones_may_settle(shop: Shop, folder: Path) -> None:
    """A second one is refused, after a stop it is not; the first goes on settling beside it."""
    run = shop(scenarios=folder).hours(1)
    run.kernel.command("scenario.trigger", id="rush")
    run.hours(1)
    with pytest.raises(Refused, match="scenario 'rush' is active; stop it before 'outage' is triggered"):
        run.kernel.command("scenario.trigger", id="outage")
    run.kernel.command("scenario.stop")
    run.kernel.command("scenario.trigger", id="outage")
    run.hours(0.1)
    shown = run.simulation.scenarios.present()
    assert shown["active"] == "outage"
    assert [a["phase"] for a in shown["activations"]] == ["settling", "active"]
    warnings = {note.data["with"] for note in run.kernel.truth.rows if note.what == "warning"}
    assert warnings >= {"rush.1/more"}


def test_a_stop_settles_what_began_and_drops_what_did_not(shop: Shop, folder: Path) -> None:
    """Stopped after 10 minutes: the later effect, the cascade and the later event never come."""
    run = shop(scenarios=folder).hours(8)
    run.kernel.command("scenario.trigger", id="rush")
    run.hours(1 / 6)
    shown = run.kernel.command("scenario.stop")
    assert [(e["id"], e["state"], e["level_ratio"]) for e in shown["effects"]] == [("rush.1/more", "settling", 0.5)]
    run.hours(6)
    seen = {note.id for note in run.kernel.truth.rows if note.what == "external"}
    assert seen == {"rush.1/before", "rush.1/viral"}
    assert phases(run)[-1] == ("rush.1", 10 + 60 * 0.95, "settled")
    assert run.shop.staff.present() == 4


def test_stop_without_a_scenario_is_refused(shop: Shop, folder: Path) -> None:
    """And an unknown scenario names the known ones."""
    run = shop(scenarios=folder)
    with pytest.raises(Refused, match="nothing to stop"):
        run.kernel.command("scenario.stop")
    with pytest.raises(Misuse, match="unknown scenario 'rsh', expected one of: outage, rush; did you mean rush"):
        run.kernel.command("scenario.trigger", id="rsh")


def test_a_reset_restores_the_baseline(shop: Shop, folder: Path) -> None:
    """From the reset on every order is a baseline order at its old instant, and settled or not makes no difference."""
    plain, run = shop(scenarios=folder).hours(30), shop(scenarios=folder).hours(8)
    run.kernel.command("scenario.trigger", id="rush")
    run.hours(2.5)
    run.kernel.command("scenario.reset")
    reset_us = run.kernel.now_us
    run.hours(19.5)
    after = [[r for r in one.records if r.stream == "orders" and r.at_us > reset_us] for one in (plain, run)]
    assert after[0] == after[1]
    assert run.simulation.scenarios.present() == {"now_us": run.kernel.now_us, "active": None, "activations": []}
    assert run.simulation.timeline.between(0, run.kernel.now_us + 1) == []
    assert run.shop.orders.present().keys() == {"base_per_hour", "time_of_day", "weekday", "per_hour"}


def test_the_second_time_is_another_activation(shop: Shop, folder: Path) -> None:
    """With ids of its own, also after a reset, so that nothing is drawn twice."""
    run = shop(scenarios=folder).hours(1)
    for _ in range(2):
        run.kernel.command("scenario.trigger", id="outage")
        run.kernel.command("scenario.reset")
    assert run.kernel.command("scenario.trigger", id="outage")["id"] == "outage.3"


def test_an_outage_ends_at_once_and_its_backlog_comes_back(shop: Shop, folder: Path) -> None:
    """No orders while it lasts; 1.8 times the normal at the stop; settled when the spike is down to 5 %."""
    run = shop(scenarios=folder).hours(9)
    run.kernel.command("scenario.trigger", id="outage")
    from_us = run.kernel.now_us
    run.hours(2)
    assert not [r for r in run.records if r.stream == "orders" and r.at_us > from_us]
    assert run.kernel.truth.counts["removed", "modifier:outage.1/none", "orders"] > 50
    shown = run.kernel.command("scenario.stop")
    run.kernel.run_until(run.kernel.now_us)
    present = run.shop.orders.present()
    assert present["outage.1/none"] == pytest.approx(0.8 * present["base_per_hour"] * present["time_of_day"])
    assert (shown["settled_us"] - run.kernel.now_us) / HOUR_US == pytest.approx(2 * (1 - 0.05 / 0.8))


def test_the_truth_says_what_caused_what(shop: Shop, folder: Path) -> None:
    """Events that caused something name it and give it their cause; red herrings say that they are."""
    run = shop(scenarios=folder).hours(8)
    run.kernel.command("scenario.trigger", id="rush")
    run.hours(3)
    external = {note.id: note.data for note in run.kernel.truth.rows if note.what == "external"}
    assert external == {
        "rush.1/before": {"red_herring": True, "causes": []},
        "rush.1/viral": {"red_herring": False, "causes": ["rush.1/more"]},
        "rush.1/strike": {"red_herring": True, "causes": []},
    }
    extra = {r.cause for r in run.records if r.stream == "orders"}
    assert extra == {"baseline", "event:rush.1/viral", "modifier:rush.1/late"}
    cascades = {n.id: n.data["happens"] for n in run.kernel.truth.rows if n.what == "cascade"}
    assert cascades == {"rush.1/tired": True, "rush.1/never": False}


def test_participants_cannot_read_the_truth_from_an_event(shop: Shop, folder: Path) -> None:
    """The record on the external stream and the timeline's public view say nothing of causes."""
    run = shop(scenarios=folder).hours(8)
    run.kernel.command("scenario.trigger", id="rush")
    run.hours(2)
    for record in [r for r in run.records if r.stream == "external"]:
        assert not {"causes", "red_herring", "belongs_to"} & record.public(run.kernel.streams.token)["data"].keys()


def test_an_event_can_be_injected_beside_a_scenario(shop: Shop, folder: Path) -> None:
    """With effects of its own for their duration; the scenario stays the active one."""
    run = shop(scenarios=folder).hours(8)
    run.kernel.command("scenario.trigger", id="outage")
    run.kernel.command("scenario.stop")
    run.kernel.command("scenario.trigger", id="rush")
    event = {
        "type": "product",
        "title": "A coupon leaks",
        "expected": {"direction": "increase", "magnitude": "medium", "duration_s": 600},
    }
    effect = {"target": "order.paid.question", "shift": 2.0, "duration_s": 1800}
    shown = run.kernel.command("event.inject", event=event, effects=[effect])
    assert run.simulation.scenarios.present()["active"] == "rush"
    run.hours(1)
    assert shown["id"] == "injected.1"
    changed = [
        note for note in run.kernel.truth.rows if note.what == "changed" and note.target == "order.paid.question"
    ]
    assert {note.cause for note in changed} == {"event:injected.1/event"}
    assert [a["phase"] for a in run.simulation.scenarios.present()["activations"]][-1] == "settled"


def test_an_injection_that_makes_no_sense_is_refused_whole(shop: Shop, folder: Path) -> None:
    """Every fault is told, and nothing of it happens."""
    run = shop(scenarios=folder).hours(1)
    with pytest.raises(Misuse) as refused:
        run.kernel.command("event.inject", event={"type": "rumour"}, effects=[{"target": "ordes", "multiplier": 2}])
    for words in ("unknown type 'rumour'", "unknown target 'ordes'", "has no duration_s", "title"):
        assert words in str(refused.value)
    assert run.kernel.log == []
    assert run.simulation.timeline.between(0, 1 << 60) == []
