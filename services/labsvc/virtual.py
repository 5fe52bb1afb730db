"""An event loop whose time is virtual: waiting costs nothing, a minute passes in a millisecond.

    run_virtual(coro, limit_s=60)      for checks of lab code; `testing.py` builds on it

While it runs, `time.time`, `time.monotonic` and `time.perf_counter` tell the virtual time too, so code that measures
its own deadline sees the same clock as `asyncio.timeout`. Work in threads takes real time; virtual time waits for it.
"""

import asyncio
import selectors
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH_S = 1_800_000_000.0  # what `time.time()` starts at
THREAD_POLL_S = 0.02


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector loop that jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._threads = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._now_s

    def jump(self, delay_s: float) -> None:
        """Move the virtual time forward."""
        self._now_s += delay_s

    @property
    def has_threads(self) -> bool:
        """True while work in a thread is under way."""
        return self._threads > 0

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, *_limits: Any) -> None:
        self._threads += 1  # joining threads takes real time
        try:
            await super().shutdown_default_executor()
        finally:
            self._threads -= 1

    def _thread_done(self, _future: Any) -> None:
        self._threads -= 1


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for a timer; looks at real files only."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if self._loop.has_threads or timeout is None:
            return super().select(THREAD_POLL_S)
        ready = super().select(0)
        if not ready and timeout:
            self._loop.jump(timeout)
        return ready


def run_virtual(coro: Coroutine[Any, Any, T], *, limit_s: float = 60.0) -> T:
    """Run a coroutine in virtual time and return its result.

    Raises TimeoutError when it has not ended after `limit_s` virtual seconds: then it waits for something that will
    never happen, or longer than anybody should.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        with _told_by(loop):
            return runner.run(_limited(coro, limit_s))


async def _limited(coro: Coroutine[Any, Any, T], limit_s: float) -> T:
    task = asyncio.ensure_future(coro)
    done, _ = await asyncio.wait({task}, timeout=limit_s)
    if not done:
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)
        raise TimeoutError(f"still waiting after {limit_s:g} virtual seconds: something here has no deadline")
    return task.result()


@contextmanager
def _told_by(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let the time functions of the standard library tell the loop's time."""
    before = time.time, time.monotonic, time.perf_counter
    time.time = lambda: EPOCH_S + loop.time()
    time.monotonic = time.perf_counter = loop.time
    try:
        yield
    finally:
        time.time, time.monotonic, time.perf_counter = before
