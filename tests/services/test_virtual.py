"""Virtual time: waiting costs nothing, and nobody waits for ever."""

import asyncio
import time

import anyio
import pytest

from labsvc.virtual import EPOCH_S, run_virtual


def test_every_way_to_wait_takes_virtual_time() -> None:
    """sleep, asyncio.timeout, wait_for and anyio all see the same clock, and so does the time module."""

    async def waits() -> list[float]:
        marks = [time.monotonic()]
        await asyncio.sleep(3)
        marks.append(time.monotonic())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.Event().wait()
        marks.append(time.monotonic())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 4)
        marks.append(time.monotonic())
        with anyio.move_on_after(5):
            await anyio.sleep_forever()
        marks.append(time.monotonic())
        assert time.time() == pytest.approx(EPOCH_S + marks[-1])
        return marks

    assert run_virtual(waits()) == pytest.approx([0, 3, 5, 9, 14])


def test_a_day_passes_in_a_moment_and_the_real_clock_comes_back() -> None:
    """Afterwards the time module tells real time again, whatever was raised inside."""
    before_s = time.monotonic()
    run_virtual(asyncio.sleep(86_400), limit_s=100_000)
    assert time.monotonic() - before_s < 86_400


def test_a_wait_without_end_ends_at_the_limit() -> None:
    """The message says that something has no deadline."""
    with pytest.raises(TimeoutError, match="still waiting after 30 virtual seconds"):
        run_virtual(asyncio.Event().wait(), limit_s=30)


def test_work_in_a_thread_is_waited_for() -> None:
    """Virtual time must not run away from work that takes real time."""

    async def threaded() -> tuple[int, float]:
        result = await asyncio.wait_for(asyncio.to_thread(sum, range(1000)), 1)
        return result, time.monotonic()

    assert run_virtual(threaded()) == (499500, 0)


def test_an_exception_comes_out_as_it_is() -> None:
    """A failing check must fail with its own message."""

    async def fails() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run_virtual(fails())
