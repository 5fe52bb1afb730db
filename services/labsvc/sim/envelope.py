"""How strong an effect is over time: up by its onset curve, held, down by its settling curve.

     level
       1 |      ________            onset and settling: linear, exponential or instant;
         |    /         \\           an instant settling may be followed by a backlog spike:
       0 |___/           \\____      the work that was kept back arrives on top of the normal
           start         stop  end

Pure functions of time: nothing here schedules or draws. Between two knots a level only rises or only falls, which
is what makes exact thinning possible.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from labsvc.sim.instant import NEVER_US, us

_STEEPNESS = 5.0  # an exponential curve has done 99.3 % of its way at its end; the rest is stretched over it

SETTLED_RATIO = 0.05  # within 5 % of normal counts as settled


class Curve(BaseModel):
    """One side of an effect. `spike_ratio` belongs to an instant settling: 0.8 starts at 1.8 times the normal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    curve: Literal["instant", "linear", "exponential"] = "instant"
    duration_s: float = Field(default=0, ge=0)
    spike_ratio: float = Field(default=0, ge=0, le=20)

    @model_validator(mode="after")
    def _spike_follows_an_instant_end(self) -> "Curve":
        if self.spike_ratio and (self.curve != "instant" or not self.duration_s):
            raise ValueError("a backlog spike needs curve: instant and a duration_s over which it falls")
        return self

    def left(self, passed_us: int) -> float:
        """What is left of 1 after a time; 0 from `duration_s` on."""
        length_us = us(self.duration_s)
        if self.curve == "instant" or passed_us >= length_us:
            return 0.0
        x = passed_us / length_us
        if self.curve == "linear":
            return 1.0 - x
        rest = math.exp(-_STEEPNESS)
        return (math.exp(-_STEEPNESS * x) - rest) / (1.0 - rest)


@dataclass(frozen=True)
class Envelope:
    """The level of one effect. `stop_us` is None while nobody knows when it ends."""

    start_us: int
    onset: Curve
    settling: Curve
    stop_us: int | None = None

    def level(self, at_us: int) -> float:
        """Share of the full effect, 0 to 1."""
        if self.stop_us is None or at_us < self.stop_us:
            return self._risen(at_us)
        return self._risen(self.stop_us) * self.settling.left(at_us - self.stop_us)

    def spike(self, at_us: int) -> float:
        """What the backlog adds, as a share of the normal; it falls linearly over the settling."""
        if not self.settling.spike_ratio or self.stop_us is None or not self.stop_us <= at_us < self.end_us:
            return 0.0
        left = 1.0 - (at_us - self.stop_us) / (self.end_us - self.stop_us)
        return self.settling.spike_ratio * self._risen(self.stop_us) * left

    @property
    def peak_us(self) -> int:
        """When it has its full strength, or the most it gets before it is stopped."""
        full_us = self.start_us + us(self.onset.duration_s)
        return full_us if self.stop_us is None else max(self.start_us, min(full_us, self.stop_us))

    @property
    def end_us(self) -> int:
        """From here on there is no effect at all; NEVER_US when it was not stopped."""
        return NEVER_US if self.stop_us is None else self.stop_us + us(self.settling.duration_s)

    def next_knot_us(self, at_us: int) -> int:
        """The next instant after `at_us` at which the level turns or jumps."""
        stop_us = NEVER_US if self.stop_us is None else self.stop_us
        knots = (self.start_us, self.start_us + us(self.onset.duration_s), stop_us, self.end_us)
        return min((knot for knot in knots if knot > at_us), default=NEVER_US)

    def stopped(self, at_us: int) -> "Envelope":
        """The same effect, settling from `at_us` on. One that has not begun never will."""
        return replace(self, stop_us=at_us)

    def settled_us(self, departure: Callable[[int], float]) -> int:
        """The first instant from the stop on at which `departure` (share of the normal) is within 5 %."""
        if self.stop_us is None:
            return NEVER_US
        low, high = self.stop_us, self.end_us
        while low < high:  # the departure only falls here
            middle = (low + high) // 2
            if departure(middle) <= SETTLED_RATIO:
                high = middle
            else:
                low = middle + 1
        return low

    def _risen(self, at_us: int) -> float:
        return 0.0 if at_us < self.start_us else 1.0 - self.onset.left(at_us - self.start_us)
