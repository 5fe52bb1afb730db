"""The runner: paced in an event loop, commands between events. Wall time is a test's own wherever it counts."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from labsvc.errors import Misuse
from labsvc.sim.clock import FASTEST, PAUSED, Clock
from labsvc.sim.instant import HOUR_US, SECOND_US
from labsvc.sim.runner import Runner

Shop = Callable[..., Any]


class Wall:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def paced(run: Any, pace: float, *, slice_events: int = 1000) -> tuple[Wall, Runner]:
    wall = Wall()
    clock = Clock(wall_ns=wall, now_us=run.kernel.now_us, pace=pace)
    return wall, Runner(run.kernel, clock, slice_events=slice_events)


def test_a_paced_run_has_the_records_of_a_batch_run(shop: Shop) -> None:
    """Whatever the pace, the wall clock's steps and the slices."""
    batch, live = shop().hours(2), shop()
    start_us = live.kernel.now_us
    wall, runner = paced(live, 3600, slice_events=3)
    while live.kernel.now_us < start_us + 2 * HOUR_US:
        wall.ns += 7_654_321
        while runner.advance(until_us=start_us + 2 * HOUR_US):
            pass
    assert live.hash.hexdigest() == batch.hash.hexdigest()
    assert live.kernel.fingerprint() == batch.kernel.fingerprint()


def test_a_command_takes_effect_at_the_present_instant(shop: Shop) -> None:
    """Not at the last event: a minute has passed on the wall, so a minute has passed in the world."""
    run = shop()
    start_us = run.kernel.now_us
    wall, runner = paced(run, 1)
    wall.ns = 60 * 10**9
    runner.command("orders.rate", per_hour=600)
    assert run.kernel.log[0].at_us == start_us + 60 * SECOND_US


def test_a_paused_run_takes_commands_and_stands_still(shop: Shop) -> None:
    """Time does not pass; the command is there when it goes on."""
    run = shop()
    start_us = run.kernel.now_us
    wall, runner = paced(run, PAUSED)
    wall.ns = 10**12
    assert runner.advance() is False
    runner.command("orders.rate", per_hour=600)
    assert run.kernel.now_us == start_us
    runner.set_pace(1)
    wall.ns += 10**9
    runner.advance()
    assert run.kernel.now_us == start_us + SECOND_US


def test_the_loop_runs_as_fast_as_it_can_to_its_end(shop: Shop) -> None:
    """And leaves the same records as a batch run."""
    batch, live = shop().hours(30), shop()
    clock = Clock(wall_ns=time.monotonic_ns, now_us=live.kernel.now_us, pace=FASTEST)
    asyncio.run(Runner(live.kernel, clock).run(until_us=live.kernel.now_us + 30 * HOUR_US))
    assert live.hash.hexdigest() == batch.hash.hexdigest()


def test_the_loop_sleeps_until_it_is_woken(shop: Shop) -> None:
    """Paused it waits; a new pace wakes it, a stop ends it."""
    run = shop()
    until_us = run.kernel.now_us + 30 * HOUR_US

    async def play() -> None:
        runner = Runner(run.kernel, Clock(wall_ns=time.monotonic_ns, now_us=run.kernel.now_us, pace=PAUSED))
        task = asyncio.create_task(runner.run(until_us=until_us))
        await asyncio.sleep(0)
        assert run.records == []
        runner.set_pace(FASTEST)
        async with asyncio.timeout(60):
            await task
        assert run.kernel.now_us == until_us
        endless = asyncio.create_task(runner.run())
        runner.set_pace(1)
        await asyncio.sleep(0)
        runner.stop()
        async with asyncio.timeout(60):
            await endless

    asyncio.run(play())
    assert len(run.records) > 1000


def test_an_error_of_the_world_ends_the_loop(shop: Shop) -> None:
    """The host hears of it; nothing is swallowed."""
    run = shop()
    run.kernel.at(run.kernel.now_us + HOUR_US, lambda _: 1 // 0, None)
    clock = Clock(wall_ns=time.monotonic_ns, now_us=run.kernel.now_us, pace=FASTEST)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Runner(run.kernel, clock).run(until_us=run.kernel.now_us + 2 * HOUR_US))


def test_a_refused_command_reaches_the_caller(shop: Shop) -> None:
    """And the run goes on."""
    _, runner = paced(shop(), 1)
    with pytest.raises(Misuse, match="unknown command"):
        runner.command("orders.rat")
    assert runner.advance() is False
