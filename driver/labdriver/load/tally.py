"""Counts what the callers do and writes it down at once: the load child's only memory of single requests.

    dispatch.py ──planned──▶ Tally ◀──started(), Locust's request event── caller.py
                               └──▶ spool (every quarter second), progress

Imports neither Locust nor gevent.
"""

import os
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from typing import Any

from labdriver.load import spool

TELLS_PER_S = 4  # progress is told and entries are written this often
P95_ROWS = 400  # live p95 looks at no more requests than this, evenly picked: it may not hold up the sending


class Tally:
    """Counters and entries of one load. `intended_s` are offsets from `t0_mono_s`, ascending."""

    def __init__(self, intended_s: Sequence[float], *, t0_mono_s: float, spool_fd: int) -> None:
        self._intended_s = array("d", intended_s)
        self._latency_s = array("d", [-1.0]) * len(intended_s)
        self._t0_s = t0_mono_s
        self._spool_fd = spool_fd
        self._unwritten = bytearray()
        begins = [(t0_mono_s + intended_s[0], 0)] if intended_s else []
        self._recent = deque[tuple[float, int]](begins, maxlen=TELLS_PER_S)  # when told, sent until then
        self.planned = len(intended_s)
        self.sent = 0
        self.ok = 0
        self.failed = 0
        self.is_closed = False  # what ends after the account was closed stays hung

    @property
    def in_flight(self) -> int:
        return self.sent - self.ok - self.failed

    def started(self, seq: int, sent_mono_s: float) -> None:
        """A caller begins with request `seq`."""
        if not self.is_closed:
            self.sent += 1
            self._unwritten += spool.started(seq, sent_mono_s)

    def on_request(self, *, context: dict[str, Any], **_: Any) -> None:
        """Listener of Locust's request event: a caller is through with a request, well or badly."""
        if self.is_closed:
            return
        seq, done_s, status, error = context["seq"], context["done"], context["status"], context["error"]
        if error or status >= 400:
            self.failed += 1
        else:
            self.ok += 1
        self._latency_s[seq] = done_s - self._t0_s - self._intended_s[seq]
        self._unwritten += spool.finished(seq, done_s, status=status, error=error, body=context["body"])

    def write(self) -> None:
        """Append the new entries to the spool. What a full disk refuses is kept for the next time."""
        try:
            while self._unwritten:
                del self._unwritten[: os.write(self._spool_fd, self._unwritten)]
        except OSError:
            return

    def close(self) -> dict[str, int]:
        """End the account and return it. The invariant holds by construction here and is checked by the parent."""
        self.is_closed = True
        self.write()
        unsent = self.planned - self.sent
        return {"ok": self.ok, "failed": self.failed, "hung": self.in_flight, "unsent": unsent}

    def progress(self, now_mono_s: float) -> dict[str, Any]:
        """Figures of this moment, as `drive.Progress` has them."""
        since_s, sent_before = self._recent[0] if self._recent else (now_mono_s, 0)
        span_s = now_mono_s - since_s
        rate_rps = (self.sent - sent_before) / span_s if span_s > 0 else 0.0
        self._recent.append((now_mono_s, self.sent))
        return {
            "t_s": round(now_mono_s - self._t0_s, 3),
            "sent": self.sent,
            "ok": self.ok,
            "failed": self.failed,
            "in_flight": self.in_flight,
            "rate_rps": round(rate_rps, 1),
            **self._p95(now_mono_s - self._t0_s),
        }

    def _p95(self, now_s: float) -> dict[str, Any]:
        """Of the requests intended within the last second; one without an answer counts at its age."""
        first, end = bisect_left(self._intended_s, now_s - 1.0), bisect_left(self._intended_s, now_s)
        if first == end:
            return {"p95_ms": None, "p95_censored": False}
        step = (end - first) // P95_ROWS + 1
        latency_s, intended_s = self._latency_s, self._intended_s
        picked = sorted(
            (latency_s[i], False) if latency_s[i] >= 0 else (now_s - intended_s[i], True)
            for i in range(first, end, step)
        )
        p95_s, is_open = picked[min(len(picked) - 1, int(len(picked) * 0.95))]
        return {"p95_ms": round(p95_s * 1e3, 1), "p95_censored": is_open}
