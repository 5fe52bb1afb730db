"""Which process is which: a pid together with the time at which its process began, so a reused pid is never ours.

Ends processes by that identity only. Knows nothing of the stack.
"""

import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil

SAME_START_S = 2.0  # the kernel's start time is derived from the wall clock, which may be adjusted meanwhile


@dataclass(frozen=True)
class Identity:
    """A process, once and for all."""

    pid: int
    started_s: float  # epoch


def of(pid: int) -> Identity:
    """The identity of a living process. Raises psutil.NoSuchProcess."""
    return Identity(pid, psutil.Process(pid).create_time())


def process(identity: Identity) -> psutil.Process | None:
    """The living process, None when it has ended, is a zombie, or its pid belongs to another one."""
    try:
        found = psutil.Process(identity.pid)
        if abs(found.create_time() - identity.started_s) > SAME_START_S:
            return None
        return None if found.status() == psutil.STATUS_ZOMBIE else found
    except psutil.Error:
        return None


def end(identities: Iterable[Identity], *, grace_s: float, sign: signal.Signals = signal.SIGTERM) -> int:
    """End processes: politely first, by force after `grace_s`. Returns how many were alive."""
    living = [p for p in map(process, identities) if p is not None]
    for each in living:
        with suppress(psutil.Error):
            each.send_signal(sign)
            each.resume()  # who was stopped in mid-quota would not hear it
    _, stubborn = psutil.wait_procs(living, timeout=grace_s)
    for each in stubborn:
        with suppress(psutil.Error):
            each.kill()
    psutil.wait_procs(stubborn, timeout=5)
    return len(living)


def wait_end(identity: Identity, *, deadline_s: float) -> bool:
    """Wait until a process is gone; False at the deadline."""
    until_s = time.monotonic() + deadline_s
    while process(identity) is not None:
        if time.monotonic() > until_s:
            return False
        time.sleep(0.01)
    return True
