"""Where simulated time meets wall time: the only place. Holds the pace and knows how far behind the run is.

    due = anchor in simulated time + (wall now − anchor in wall time) × pace

A change of pace moves both anchors, so simulated time never jumps. The wall clock is injected: nanoseconds that only
grow, like `time.monotonic_ns`. What the clock says never decides what happens, only when people see it.
"""

import math
from collections import deque
from collections.abc import Callable

from labsvc.errors import Misuse
from labsvc.sim.instant import DAY_US

PAUSED = 0.0
FASTEST = math.inf  # as fast as the machine can
MAX_PACE = 100_000.0

_KEPT = 4096  # samples of lag from which the percentile is taken
_NS_PER_US = 1000


class Clock:
    """`pace`: simulated seconds per second; PAUSED, 1, n, or FASTEST.

    After a stall longer than `forgive_s` (a suspended laptop) the clock goes on from where the run is instead of
    racing after the lost time; `forgiven_s` says how much that was, in wall time.
    """

    def __init__(self, *, wall_ns: Callable[[], int], now_us: int, pace: float = 1.0, forgive_s: float = 5.0) -> None:
        self.forgiven_s = 0.0
        self.lag_ms = 0.0  # of the last batch of events
        self.worst_lag_ms = 0.0
        self._lags: deque[float] = deque(maxlen=_KEPT)
        self._wall_ns = wall_ns
        self._forgive_s = forgive_s
        self._pace = PAUSED
        self._anchor_us = now_us
        self._anchor_ns = 0
        self.set_pace(pace, now_us)

    @property
    def pace(self) -> float:
        return self._pace

    def set_pace(self, pace: float, now_us: int) -> None:
        """Go on from `now_us` at another pace. Raises Misuse for one that is no pace."""
        if not (0 <= pace <= MAX_PACE or pace == FASTEST):
            raise Misuse(f"pace is {pace:g}, expected 0 (paused) to {MAX_PACE:g}, or infinite for as fast as possible")
        self._pace = pace
        self._anchor(now_us)

    def due_us(self, now_us: int) -> int:
        """Up to where the run should be by now."""
        if self._pace == FASTEST:
            return now_us + DAY_US
        passed_ns = self._wall_ns() - self._anchor_ns
        return self._anchor_us + int(passed_ns * self._pace) // _NS_PER_US

    def wait_s(self, at_us: int) -> float:
        """Wall seconds until a simulated instant is due; 0 when it is, infinite while paused."""
        if self._pace == FASTEST:
            return 0.0
        if self._pace == PAUSED:
            return math.inf
        return max(0.0, -self._late_ns(at_us) / 1e9)

    def ran(self, first_us: int, now_us: int) -> None:
        """Note that events from `first_us` on were run just now. The lag is that of the first, which is the worst."""
        if self._pace in (PAUSED, FASTEST):
            return
        self.lag_ms = max(0.0, self._late_ns(first_us) / 1e6)
        self._lags.append(self.lag_ms)
        self.worst_lag_ms = max(self.worst_lag_ms, self.lag_ms)
        if self.lag_ms > self._forgive_s * 1e3:
            self.forgiven_s += self._late_ns(now_us) / 1e9
            self._anchor(now_us)

    def lag_p99_ms(self) -> float:
        """99th percentile of the lag of the last batches of events, 0 before the first."""
        if not self._lags:
            return 0.0
        return sorted(self._lags)[math.ceil(len(self._lags) * 0.99) - 1]

    def _late_ns(self, at_us: int) -> float:
        return (self._wall_ns() - self._anchor_ns) - (at_us - self._anchor_us) * _NS_PER_US / self._pace

    def _anchor(self, now_us: int) -> None:
        self._anchor_us, self._anchor_ns = now_us, self._wall_ns()
