"""The load process: `python -m labdriver.load.child <fd of the spool>`, one job from stdin to its end.

    job ──▶ calibrate ──▶ dispatch ──▶ settle ──▶ done
                             └──▶ progress on stdout, entries in the spool, four times a second

Locust is imported first, because it patches the standard library. No rows are made here and no answer is
parsed while the load runs. When stdin ends, the parent is gone: so are we.
"""

import locust  # isort: skip - patches the standard library, so it comes before everything else

import gc
import json
import os
import select
import sys
import time
from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment

from labdriver import open_files
from labdriver.load.caller import Work
from labdriver.load.connection import resolve
from labdriver.load.dispatch import Dispatcher
from labdriver.load.pacing import Pacer, pacer
from labdriver.load.tally import TELLS_PER_S, Tally
from labdriver.load.wire import Wire

CALIBRATE_S = 0.4  # of idle timer waits before the first arrival
CALIBRATE_STEP_S = 0.004
STOP_GRACE_S = 0.3  # what is in flight may still finish after a stop
LOOK_EVERY_S = 0.005  # while settling
SPARE_FILES = 64


class Parent:
    """The pipes to our parent. stdout is kept for it: what anyone else prints goes to stderr."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        os.dup2(2, 1)
        os.set_blocking(self._out, False)
        self.has_stopped = Event()

    def tell(self, line: dict[str, Any], *, must: bool = False) -> None:
        """Send one line. A parent that does not read misses progress; `must` waits for it."""
        data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        while data:
            try:
                data = data[os.write(self._out, data) :]
            except BlockingIOError:
                if not must:
                    return
                select.select([], [self._out], [], 1.0)
            except BrokenPipeError:
                os._exit(1)

    def job(self) -> dict[str, Any]:
        """Wait for the job."""
        data = bytearray()
        while not data.endswith(b"\n"):
            part = os.read(0, 1 << 20)
            if not part:
                os._exit(1)
            data += part
        job: dict[str, Any] = json.loads(data)
        return job

    def listen(self) -> None:
        """Greenlet: the only further word is stop."""
        hub = gevent.get_hub()
        watcher = hub.loop.io(0, 1)
        while True:
            hub.wait(watcher)
            if not os.read(0, 4096):
                os._exit(1)
            self.has_stopped.set()


class Load:
    """One job being done."""

    def __init__(self, job: dict[str, Any], parent: Parent, pace: Pacer, *, spool_fd: int) -> None:
        self._parent = parent
        self._pace = pace
        self._t0_s: float = job["t0_mono_s"]
        self._end_s = self._t0_s + job["load_s"]
        self._settle_s: float = job["settle_s"]
        self._begun: tuple[float, float] | None = None  # wall and CPU seconds when the sending began
        self._tally = Tally(job["intended_s"], t0_mono_s=self._t0_s, spool_fd=spool_fd)
        environment = Environment(catch_exceptions=True)
        environment.events.request.add_listener(self._tally.on_request)  # type: ignore[no-untyped-call]
        due_s = [self._t0_s + offset_s for offset_s in job["intended_s"]]
        work = Work(Wire(job), self._tally, due_s, job["requests"], job["request"])
        self._first_due_s = due_s[0] if due_s else self._end_s
        self._dispatcher = Dispatcher(
            environment,
            work,
            pace,
            roles=[request["role"] for request in job["requests"]],
            addresses={role: resolve(o["host"], o["port"]) for role, o in job["origins"].items()},
            max_callers=open_files.raise_limit() - SPARE_FILES,
        )

    def run(self) -> None:
        """Calibrate, send, settle, tell."""
        # A collection under load stops every request that is due then; the plan bounds what can pile up.
        gc.collect()
        gc.freeze()
        gc.disable()
        idle_lag_ms = self._calibrate()
        self._begun = (time.monotonic(), time.process_time())
        telling = gevent.spawn(self._tell_progress)
        sending = gevent.spawn(self._dispatcher.run)
        stopped = self._parent.has_stopped
        gevent.wait([sending, stopped], count=1)
        sending.kill()
        stopped.wait(max(0.0, self._end_s - time.monotonic()))  # a last phase without arrivals is load too
        health = self._health()  # the CPU of the load, not of the wait that follows
        self._settle()
        end_s = time.monotonic()
        telling.kill()
        counts = self._tally.close()
        done = counts | {"end_mono_s": end_s}
        self._parent.tell({"health": health | {"idle_lag_p99_ms": idle_lag_ms}, "done": done}, must=True)

    def _calibrate(self) -> float | None:
        """p99 in ms of the lag of idle timer waits just before the first arrival; None without time for it."""
        start_s = self._first_due_s - CALIBRATE_S - 0.02
        if time.monotonic() > start_s + CALIBRATE_S / 2:
            return None
        lags_ms: list[float] = []
        due_s = max(start_s, time.monotonic())
        while due_s < start_s + CALIBRATE_S:
            due_s += CALIBRATE_STEP_S
            self._pace.wait_until(due_s)
            lags_ms.append((time.monotonic() - due_s) * 1e3)
        lags_ms.sort()
        return round(lags_ms[int(len(lags_ms) * 0.99)], 3)

    def _settle(self) -> None:
        until_s = time.monotonic() + self._settle_s
        stop_s: float | None = None
        while self._tally.in_flight and time.monotonic() < until_s:
            if self._parent.has_stopped.is_set() and stop_s is None:
                stop_s = time.monotonic() + STOP_GRACE_S
                until_s = min(until_s, stop_s)
            gevent.sleep(LOOK_EVERY_S)

    def _tell_progress(self) -> None:
        while True:
            gevent.sleep(1 / TELLS_PER_S)
            self._tally.write()
            self._parent.tell({"progress": self._tally.progress(time.monotonic()), "health": self._health()})

    def _health(self) -> dict[str, Any]:
        assert self._begun is not None
        wall_s, cpu_s = self._begun
        span_s = time.monotonic() - wall_s
        return {
            "cpu_ratio": round((time.process_time() - cpu_s) / span_s, 4) if span_s > 0 else 0.0,
            "stale_retries": sum(c.connection.stale_retries for c in self._dispatcher.callers),
        }


def main() -> None:
    parent = Parent()
    pace = pacer(gevent.get_hub())
    parent.tell({"ready": {"pacing": pace.name, "locust": locust.__version__}})
    load = Load(parent.job(), parent, pace, spool_fd=int(sys.argv[1]))
    gevent.spawn(parent.listen)
    load.run()
    os._exit(0)  # hundreds of parked greenlets have nothing to say any more


if __name__ == "__main__":
    main()
