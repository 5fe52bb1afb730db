"""Snapshots: a run comes back exactly as it was, or says that it cannot."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from labsvc.errors import Misuse
from labsvc.sim.instant import HOUR_US
from labsvc.sim.record import LogHash
from labsvc.sim.simulation import restore
from labsvc.sim.snapshot import Snapshot

Shop = Callable[..., Any]


def lived(shop: Shop) -> Any:
    """A run with a past: another rate, an injected event with an effect that still acts, people in the queue."""
    run = shop(seed=5).hours(9)
    run.kernel.command("orders.rate", per_hour=300)
    run.hours(1.3)
    expected = {"direction": "increase", "magnitude": "high", "duration_s": 3600}
    event = {"type": "marketing", "title": "viral", "expected": expected}
    effect = {"target": "orders", "multiplier": 2, "duration_s": 36_000}
    run.kernel.command("event.inject", event=event, effects=[effect])
    return run.hours(1.234567)


def test_a_restored_run_goes_on_as_if_nothing_had_happened(shop: Shop) -> None:
    """Stored as JSON and restored, it puts out the same records from there on, to the byte."""
    run = lived(shop)
    stored = run.simulation.snapshot().model_dump_json()
    world = replace(run.shop)
    again = restore(world, Snapshot.model_validate_json(stored))
    assert again.kernel.fingerprint() == run.kernel.fingerprint()
    assert again.snapshot() == run.simulation.snapshot()
    later_us = run.kernel.now_us + 3 * HOUR_US
    hashes = []
    for kernel in (run.kernel, again.kernel):
        hashes.append(LogHash())
        kernel.observe(hashes[-1])
        kernel.run_until(later_us)
    assert hashes[0].count > 500
    assert hashes[0].hexdigest() == hashes[1].hexdigest()


def test_commands_after_a_restore_are_logged_behind_the_others(shop: Shop) -> None:
    """A run may be stopped and restored again and again."""
    run = lived(shop)
    again = restore(replace(run.shop), run.simulation.snapshot())
    again.kernel.command("orders.rate", per_hour=10)
    twice = restore(replace(run.shop), again.snapshot())
    assert [command.name for command in twice.kernel.log] == ["orders.rate", "event.inject", "orders.rate"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"world": "market"}, "the snapshot has world 'market', this is 'shop'"),
        ({"version": "1/0"}, "the snapshot has version '1/0', this is '1/1'"),
        ({"executed": 17}, "at the end, expected 17"),
        ({"fingerprint": "0"}, "ends in another state"),
        ({"seed": 6}, "the replay has run"),
    ],
)
def test_a_snapshot_that_does_not_fit_is_refused(shop: Shop, changed: dict[str, object], words: str) -> None:
    """Another world, other code or a damaged file is noticed, never continued."""
    run = lived(shop)
    stored = run.simulation.snapshot().model_copy(update=changed)
    with pytest.raises(Misuse, match=words):
        restore(replace(run.shop), stored)


def test_other_code_of_the_same_version_is_noticed(shop: Shop) -> None:
    """A world that has changed without a new version ends elsewhere, and that is told."""
    run = lived(shop)
    with pytest.raises(Misuse, match="the replay has run"):
        restore(replace(run.shop, per_hour=61.0), run.simulation.snapshot())
