"""The dispatcher: one greenlet that wakes a caller for each request at the moment the plan says.

    plan ──▶ Dispatcher ──wake──▶ the caller that was busy last (its connection is warm), or a new one

Moments are absolute (t0 + offset), so lateness never adds up. When late, all that is due goes out at once; nothing is
skipped. There is no number of users to tune: a slow service gets as many connections as the plan needs, up to
the process's limit of open files. Only the load child imports this.
"""

import time
from collections.abc import Sequence

from gevent.pool import Group
from locust.env import Environment

from labdriver.load.caller import Caller, Work
from labdriver.load.connection import Address
from labdriver.load.pacing import Pacer

TURN = 16  # requests sent in a row before sockets are looked at


class Dispatcher:
    """Sends a plan. `roles` is the role of each kind of request, `addresses` where each role listens."""

    def __init__(
        self,
        environment: Environment,
        work: Work,
        pacer: Pacer,
        *,
        roles: Sequence[str],
        addresses: dict[str, Sequence[Address]],
        max_callers: int,
    ) -> None:
        self._environment = environment
        self._work = work
        self._pacer = pacer
        self._addresses = addresses
        self._idle: dict[str, list[Caller]] = {role: [] for role in addresses}
        self._roles = [roles[kind] for kind in work.kind_of]
        self._max_callers = max_callers
        self._group = Group()
        self.callers: list[Caller] = []

    def run(self) -> None:
        """Send everything; returns when the last request has been handed out."""
        due_s, roles = self._work.due_mono_s, self._roles
        seq, end = 0, len(due_s)
        in_a_row = 0
        while seq < end:
            now_s = time.monotonic()
            if due_s[seq] > now_s or in_a_row == TURN:
                self._pacer.wait_until(min(due_s[seq], now_s) if in_a_row == TURN else due_s[seq])
                in_a_row = 0
                continue
            self._hand_out(seq, roles[seq])
            seq += 1
            in_a_row += 1

    def _hand_out(self, seq: int, role: str) -> None:
        idle = self._idle[role]
        if idle:
            idle.pop().wake(seq)
        elif len(self.callers) < self._max_callers:
            caller = Caller(self._environment, self._work, self._addresses[role], idle)
            self.callers.append(caller)
            caller.wake(seq)
            caller.start(self._group)
        # else it stays unsent: the record says so, instead of a request that waits in secret
