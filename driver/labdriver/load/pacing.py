"""Waiting for a moment of the monotonic clock, inside gevent's loop.

timerfd is right to some 0.05 ms; gevent's own timers, all there is on macOS, round up to a whole millisecond
(libev's poll). Which one was used stands in every record. Only the load child imports this.
"""

import ctypes
import os
import sys
import time
from typing import Literal, Protocol

import gevent
from gevent.hub import Hub

CLOCK_MONOTONIC = 1  # <time.h>, Linux
TFD_TIMER_ABSTIME = 1  # <sys/timerfd.h>
TFD_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK
READ = 1  # libev's event bit for "readable"


class Pacer(Protocol):
    name: Literal["timerfd", "sleep"]

    def wait_until(self, when_s: float) -> None:
        """Let the other greenlets run, sockets included, until `when_s` (past: one round of the loop)."""
        ...


class Timerfd:
    """Absolute kernel timer whose file descriptor the loop watches."""

    name: Literal["timerfd", "sleep"] = "timerfd"

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._timer = _OsTimer() if hasattr(os, "timerfd_create") else _LibcTimer()
        self._watcher = hub.loop.io(self._timer.fd, READ)

    def wait_until(self, when_s: float) -> None:
        self._timer.arm(when_s)  # arming also clears an expiry, so nothing has to be read
        self._hub.wait(self._watcher)


class Sleep:
    """gevent's timers."""

    name: Literal["timerfd", "sleep"] = "sleep"

    def wait_until(self, when_s: float) -> None:
        # above zero even when late: sleep(0) would not let sockets be looked at
        gevent.sleep(max(1e-4, when_s - time.monotonic()))


def pacer(hub: Hub) -> Pacer:
    """The best pacer of this system."""
    if sys.platform != "linux":
        return Sleep()
    try:
        return Timerfd(hub)
    except OSError:  # a sandbox without the system call
        return Sleep()


class _OsTimer:
    """timerfd of Python 3.13 and later."""

    def __init__(self) -> None:
        self.fd: int = os.timerfd_create(time.CLOCK_MONOTONIC, flags=TFD_FLAGS)  # type: ignore[attr-defined]

    def arm(self, when_s: float) -> None:
        os.timerfd_settime(self.fd, flags=TFD_TIMER_ABSTIME, initial=max(when_s, 1e-6))  # type: ignore[attr-defined]


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class _LibcTimer:
    """The same through the C library, before 3.13."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = libc.timerfd_create(CLOCK_MONOTONIC, TFD_FLAGS)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._settime = libc.timerfd_settime
        self._spec = _Itimerspec()
        self._pointer = ctypes.byref(self._spec)

    def arm(self, when_s: float) -> None:
        when_ns = max(int(when_s * 1e9), 1)  # all zeros would switch the timer off
        value = self._spec.value
        value.seconds, value.nanoseconds = divmod(when_ns, 1_000_000_000)
        if self._settime(self.fd, TFD_TIMER_ABSTIME, self._pointer, None) < 0:
            raise OSError(ctypes.get_errno(), "timerfd_settime")
