"""How long things take, as data: a distribution of durations that a world states in its settings.

`at(u)` turns one uniform number into a duration, so the same entity takes the same time in every run; `sampler`
reads a random stream in sequence and is what a busy queue wants.
"""

import math
from collections.abc import Callable
from random import Random
from statistics import NormalDist
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from labsvc.sim.instant import us
from labsvc.sim.streams import exponential_us, mapped

_PARAMETERS = {
    "constant": ("seconds",),
    "uniform": ("min_s", "max_s"),
    "exponential": ("mean_s",),
    "lognormal": ("median_s", "sigma"),
}
_NORMAL = NormalDist()
_LEAST = 2.0**-54  # below every draw but 0, which has no place on a normal curve


class Delay(BaseModel):
    """A distribution of durations. `max_s` cuts exponential and lognormal ones off, where it is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["constant", "uniform", "exponential", "lognormal"] = "constant"
    seconds: float | None = Field(default=None, ge=0)  # constant
    min_s: float | None = Field(default=None, ge=0)  # uniform
    max_s: float | None = Field(default=None, ge=0)  # uniform; otherwise a limit
    mean_s: float | None = Field(default=None, gt=0)  # exponential
    median_s: float | None = Field(default=None, gt=0)  # lognormal
    sigma: float | None = Field(default=None, ge=0)  # lognormal: of the logarithm

    @model_validator(mode="after")
    def _has_its_parameters(self) -> "Delay":
        missing = [name for name in _PARAMETERS[self.kind] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a delay of kind {self.kind} needs {', '.join(missing)}")
        if self.kind == "uniform" and self._number("min_s") > self._number("max_s"):
            raise ValueError(f"min_s {self.min_s} is greater than max_s {self.max_s}")
        return self

    def at(self, u: float) -> int:
        """The duration in microseconds whose probability of not being exceeded is `u`, 0 ≤ u < 1."""
        seconds = self._seconds(u)
        if self.kind != "uniform" and self.max_s is not None:
            seconds = min(seconds, self.max_s)
        return us(seconds)

    def sampler(self, source: Random) -> Callable[[], int]:
        """Durations in microseconds, one after the other."""
        if self.kind == "exponential" and self.max_s is None:
            return exponential_us(source, self._number("mean_s") * 1e6)
        return mapped(source, self.at)

    def _seconds(self, u: float) -> float:
        match self.kind:
            case "constant":
                return self._number("seconds")
            case "uniform":
                low, high = self._number("min_s"), self._number("max_s")
                return low + (high - low) * u
            case "exponential":
                return -self._number("mean_s") * math.log(1.0 - u)
            case "lognormal":
                z = _NORMAL.inv_cdf(max(u, _LEAST))
                return self._number("median_s") * math.exp(self._number("sigma") * z)

    def _number(self, name: str) -> float:
        return float(getattr(self, name))
