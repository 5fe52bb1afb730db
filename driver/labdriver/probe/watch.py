"""Our side of the sampling process: start it, gather its samples, stop it.

    run.py ──start(Job)──▶ Watch ◀──JSON lines── sampler.py
              └──beside()──▲  figures that only this process can ask for, such as how many replicas there are

A sampler that is killed is started again; what it had told is kept.
"""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Self

from labdriver.record import Sample

MAX_STARTS = 4
FRESH_INTERVALS = 2  # a figure from `beside` that is older is left out
END_S = 0.3  # for the sampler to end by itself; it may be waiting for a server that says nothing


@dataclass(frozen=True)
class Target:
    """One replica to look at."""

    role: str
    url: str
    pid: int | None  # of its process, when it runs on this machine


@dataclass(frozen=True)
class Job:
    """What to look at."""

    replicas: tuple[Target, ...]
    depsim_url: str | None
    t0_mono_s: float  # time.monotonic() of t0: samples are taken at whole seconds around it
    interval_s: float = 1.0
    driver_pid: int | None = None  # of the load child


Beside = Callable[[], dict[str, float]]


class Watch:
    """A sampler at work. Stopped by `stop()` or at the end of the `with` block."""

    def __init__(self, job: Job, beside: Beside | None = None) -> None:
        self._job = json.dumps(asdict(job)).encode() + b"\n"
        self._beside = _Beside(beside, job.interval_s) if beside else None
        self._samples: list[Sample] = []
        self._is_stopping = False
        self._turn = threading.Lock()  # either a sampler is started again, or it is stopped
        self._process = self._launched()
        self._reader = threading.Thread(target=self._follow, daemon=True, name="probe")
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What was sampled so far, in the order of time."""
        return tuple(self._samples)

    def stop(self) -> tuple[Sample, ...]:
        """End the sampler and return all samples. May be called twice."""
        with self._turn:
            self._is_stopping = True
            process = self._process
        _close(process)
        try:
            process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reader.join(timeout=10)  # it is at the end of what the sampler said
        if self._beside:
            self._beside.stop()
        return self.samples

    def _launched(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, "-m", "labdriver.probe.sampler"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdin
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(self._job)
            process.stdin.flush()
        return process

    def _follow(self) -> None:
        """Thread: gather lines; start the sampler again when it ends by itself."""
        for start in range(MAX_STARTS):
            with self._turn:
                if self._is_stopping:
                    return
                if start:
                    self._process = self._launched()
                process = self._process
            assert process.stdout
            with process.stdout as lines:
                for line in lines:
                    with contextlib.suppress(ValueError, KeyError):  # a line cut short by a kill
                        told = json.loads(line)
                        more = self._beside.values if self._beside else {}
                        self._samples.append(Sample(t_s=told["t_s"], values=told["values"] | more))
            process.wait()
            _close(process)


class _Beside:
    """Calls a function once an interval, in a thread, and keeps what it gave last."""

    def __init__(self, ask: Beside, interval_s: float) -> None:
        self._ask = ask
        self._interval_s = interval_s
        self._ended = threading.Event()
        self._last: tuple[float, dict[str, float]] = (0.0, {})
        self._thread = threading.Thread(target=self._run, daemon=True, name="beside the probe")
        self._thread.start()

    @property
    def values(self) -> dict[str, float]:
        at_s, values = self._last
        return values if time.monotonic() - at_s <= FRESH_INTERVALS * self._interval_s else {}

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(timeout=1)

    def _run(self) -> None:
        while not self._ended.is_set():
            begun_s = time.monotonic()
            self._last = (begun_s, self._ask())
            self._ended.wait(max(0.0, self._interval_s - (time.monotonic() - begun_s)))


def start(job: Job, *, beside: Beside | None = None) -> Watch:
    """Start sampling; the first sample comes with the next whole second. `beside` must not raise."""
    return Watch(job, beside)


def _close(process: "subprocess.Popen[bytes]") -> None:
    """Close the sampler's stdin, which tells it to end."""
    if process.stdin:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
