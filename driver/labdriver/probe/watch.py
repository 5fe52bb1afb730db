"""Our side of the sampling process: start it, gather its samples, stop it.

    run.py ──start(Job)──▶ Watch ◀──JSON lines── sampler.py

A sampler that is killed is started again; what it had told is kept.
"""

import contextlib
import json
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from typing import Self

from labdriver.record import Sample

MAX_STARTS = 4
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


class Watch:
    """A sampler at work. Stopped by `stop()` or at the end of the `with` block."""

    def __init__(self, job: Job) -> None:
        self._job = json.dumps(asdict(job)).encode() + b"\n"
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
        self._reader.join(timeout=1)
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
                        self._samples.append(Sample(t_s=told["t_s"], values=told["values"]))
            process.wait()
            _close(process)


def start(job: Job) -> Watch:
    """Start sampling; the first sample comes with the next whole second."""
    return Watch(job)


def _close(process: "subprocess.Popen[bytes]") -> None:
    """Close the sampler's stdin, which tells it to end."""
    if process.stdin:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
