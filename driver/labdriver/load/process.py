"""The load child as its parent holds it: start, job in, progress out, stop, kill.

Speaks lines of JSON: to the child one job, then perhaps a stop; from the child `ready`, `progress`, `done`. The
entries of single requests do not come this way but through a file in memory, so a child that is killed has
already handed over what it did.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import IO, Any, Self

from labdriver.errors import EnvironmentFault
from labdriver.record import Ended
from labdriver.verbs import to_type

LOOK_EVERY_S = 0.25  # how soon a stop from another thread shortens the wait for a child that says nothing

Told = dict[str, Any]


class Child:
    """A running load process. Use it as a context manager: it is gone afterwards."""

    def __init__(self, process: "subprocess.Popen[bytes]", spool: IO[bytes], errors: IO[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._to_child = process.stdin.fileno()
        self._from_child = process.stdout.fileno()
        for pipe in (self._to_child, self._from_child):
            os.set_blocking(pipe, False)
        self._is_over = False
        self._spool = spool
        self._errors = errors
        self._unread = b""
        self._lines: list[Told] = []
        self.health: Told = {}  # the latest figures of the generator itself
        self.done: Told | None = None
        self.ended: Ended = "complete"
        self.ended_mono_s = 0.0
        self.stopped_mono_s: float | None = None
        self.notes: tuple[str, ...] = ()
        self.spooled = b""  # once ended: all entries about single requests
        self._last_words = ""

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def wait_ready(self, within_s: float) -> None:
        """Return when the child has imported everything. Raises EnvironmentFault when it does not."""
        until_s = time.monotonic() + within_s
        while "pacing" not in self.health:
            told = self._next(lambda: until_s)
            if told is None:
                died = self._process.poll() is not None
                self._end()
                what = f"ended with {self._process.returncode}" if died else f"was not ready within {within_s:g} s"
                raise EnvironmentFault(f"the load process {what}: {self._last_words}", next_step=to_type("selftest"))
            self.health |= told.get("ready", {})

    def send(self, job: Told, *, until_s: float) -> None:
        """Hand over the job. A child that takes it no more is noticed by `follow`."""
        self._write(json.dumps(job, separators=(",", ":")).encode() + b"\n", until_s=until_s)

    def stop(self) -> None:
        """Ask for an early end: no new arrivals. Safe from another thread or a signal handler."""
        if self.stopped_mono_s is None and not self._is_over:
            self.stopped_mono_s = time.monotonic()
            self._write(b'{"stop":true}\n', until_s=time.monotonic() + 0.2)

    def follow(self, on_progress: Callable[[Told], None], *, until_s: float, grace_s: float) -> None:
        """Return when the child is done or gone; kills it at `until_s`, or `grace_s` after a stop."""
        while self.done is None:
            try:
                told = self._next(lambda: self._limit_s(until_s, grace_s))
                if told is None:
                    self._gave_up()
                    return
                self.health |= told.get("health", {})
                self.done = told.get("done")
                if "progress" in told:
                    on_progress(told["progress"])
            except KeyboardInterrupt:
                if self.stopped_mono_s is not None:
                    self._gave_up()
                    return
                self.stop()
        if self.stopped_mono_s is not None:
            self.ended = "interrupted"

    def _limit_s(self, until_s: float, grace_s: float) -> float:
        return until_s if self.stopped_mono_s is None else min(until_s, self.stopped_mono_s + grace_s)

    def _gave_up(self) -> None:
        """The child is dead or overdue: kill it and say so."""
        died = self._process.poll()
        self._end()
        if died is None:
            self.notes += ("the load process did not end in time and was killed; the rest counts as unsent or hung",)
        else:
            self.notes += (f"the load process ended with {died} before it was done: {self._last_words}",)
        self.ended = "watchdog" if self.stopped_mono_s is None else "interrupted"

    def _next(self, limit_s: Callable[[], float]) -> Told | None:
        """The next line of the child; None at its end or when the limit, which a stop moves, has passed."""
        while not self._lines:
            wait_s = limit_s() - time.monotonic()
            if wait_s <= 0:
                return None
            if not select.select([self._from_child], [], [], min(wait_s, LOOK_EVERY_S))[0]:
                continue
            part = os.read(self._from_child, 65536)
            if not part:
                self._wait_dead()
                return None
            *lines, self._unread = (self._unread + part).split(b"\n")
            self._lines += [json.loads(line) for line in lines]
        return self._lines.pop(0)

    def _write(self, data: bytes, *, until_s: float) -> None:
        while data:
            wait_s = until_s - time.monotonic()
            if wait_s <= 0 or not select.select([], [self._to_child], [], wait_s)[1]:
                return
            try:
                data = data[os.write(self._to_child, data) :]
            except BrokenPipeError:
                return

    def _wait_dead(self) -> None:
        """stdout ends a moment before the process does: wait for its exit code."""
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return

    def _end(self) -> None:
        """Make sure that the process is gone. It has nothing left to tidy up, so a kill is clean."""
        if self._is_over:
            return
        if self._process.poll() is None and self.done is None:
            self._process.send_signal(signal.SIGKILL)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.ended_mono_s = time.monotonic()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self.spooled, errors = _read_and_close(self._spool), _read_and_close(self._errors)
        lines = errors.decode(errors="replace").strip().splitlines()
        self._last_words = lines[-1][:200] if lines else "it said nothing"
        self._is_over = True


def launch() -> Child:
    """Start a load process; it is ready for its job 0.3 s later. May be called well ahead of the load."""
    spool = _memory_file()
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
    command = [sys.executable, "-m", "labdriver.load.child", str(spool.fileno())]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        pass_fds=(spool.fileno(),),
        start_new_session=True,  # Ctrl-C reaches us alone, and we stop it in good order
    )
    return Child(process, spool, errors)


def _memory_file() -> IO[bytes]:
    """A nameless file, in memory where the system has such: a full disk loses no rows."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("breakwater-load"), "r+b")
    return tempfile.TemporaryFile()


def _read_and_close(file: IO[bytes]) -> bytes:
    with file:
        file.seek(0)
        return file.read()
