"""Keeps processes to their CPU limits: `python -m labdriver.stack.local.throttler`, orders on stdin as JSON lines.

    {"pid": 4711, "cores": 0.25}    at most 25 ms of processor time in every 100 ms
    {"pid": 4711, "cores": null}    no limit any more

What Linux does to a container by its quota (CFS bandwidth, period 100 ms) is done here from outside, by SIGSTOP and
SIGCONT: who has used up its quota waits for the next period, and what it took too much comes off that one. Ends when
stdin does, and lets every process go first: a process of its own, so that a killed supervisor leaves nobody stopped.
"""

import json
import os
import select
import signal
import time
from contextlib import suppress

import psutil

from labdriver.stack.local import cpu

PERIOD_S = 0.1
SHORTEST_S = 0.002  # between two looks at a process that is about to use up its quota


class Gone(Exception):
    """The process has ended."""


class Limited:
    """One process and what is left of its quota."""

    def __init__(self, pid: int, cores: float, now_s: float) -> None:
        self._signals = _Signals(pid)
        self._pid = pid
        self._quota_s = cores * PERIOD_S
        self._left_s = self._quota_s
        self._used_s = _used_s(pid)
        self._period_end_s = now_s + PERIOD_S
        self._is_stopped = False

    def step(self, now_s: float) -> float:
        """Stop it or let it go on; returns when to look again. Raises Gone."""
        used_s = _used_s(self._pid)
        self._left_s -= used_s - self._used_s
        self._used_s = used_s
        if now_s >= self._period_end_s:
            periods = int((now_s - self._period_end_s) / PERIOD_S) + 1
            self._period_end_s += periods * PERIOD_S
            self._left_s = min(self._quota_s, self._left_s + periods * self._quota_s)
        if self._is_stopped and self._left_s > 0:
            self.free()
        elif not self._is_stopped and self._left_s <= 0:
            self._signals.send(signal.SIGSTOP)
            self._is_stopped = True
        if self._is_stopped:
            return self._period_end_s
        return min(self._period_end_s, now_s + max(SHORTEST_S, self._left_s))

    def free(self) -> None:
        """Let it go on. Raises Gone."""
        self._signals.send(signal.SIGCONT)
        self._is_stopped = False


class _Signals:
    """Signals to one process that never reach another of the same pid."""

    def __init__(self, pid: int) -> None:
        self._descriptor: int | None = None
        try:
            self._process = psutil.Process(pid)
            if hasattr(os, "pidfd_open"):
                self._descriptor = os.pidfd_open(pid)
        except psutil.Error as error:
            raise Gone from error
        except OSError:
            pass  # an old kernel: psutil compares start times, which costs a little more

    def send(self, sign: signal.Signals) -> None:
        try:
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, sign)
            else:
                self._process.send_signal(sign)
        except (OSError, psutil.Error) as error:
            raise Gone from error

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def _used_s(pid: int) -> float:
    used_s = cpu.seconds(pid)
    if used_s is None:
        raise Gone
    return used_s


class Throttler:
    """All limited processes."""

    def __init__(self) -> None:
        self._limited: dict[int, Limited] = {}
        self._due_s: dict[int, float] = {}

    def order(self, pid: int, cores: float | None) -> None:
        """Set, change or lift one limit."""
        before = self._limited.pop(pid, None)
        self._due_s.pop(pid, None)
        with suppress(Gone):
            if before is not None:
                before.free()
            if cores is not None:
                now_s = time.monotonic()
                self._limited[pid] = Limited(pid, cores, now_s)
                self._due_s[pid] = now_s

    def step(self) -> float | None:
        """Look at every process that is due; returns how long nothing is to be done, None without any process."""
        now_s = time.monotonic()
        for pid, due_s in list(self._due_s.items()):
            if due_s <= now_s:
                try:
                    self._due_s[pid] = self._limited[pid].step(now_s)
                except Gone:
                    del self._limited[pid], self._due_s[pid]
        return max(0.0, min(self._due_s.values()) - time.monotonic()) if self._due_s else None

    def free_all(self) -> None:
        for pid in list(self._limited):
            self.order(pid, None)


def main() -> None:
    """Follow orders until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for whoever started the stack
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    throttler = Throttler()
    pending = b""
    try:
        while True:
            readable, _, _ = select.select([0], [], [], throttler.step())
            if not readable:
                continue
            part = os.read(0, 65536)
            if not part:
                return
            *lines, pending = (pending + part).split(b"\n")
            for line in lines:
                told = json.loads(line)
                throttler.order(told["pid"], told["cores"])
    except KeyboardInterrupt:
        pass
    finally:
        throttler.free_all()


if __name__ == "__main__":
    main()
