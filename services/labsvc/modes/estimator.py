"""Mode `estimator`: calculates what a home will cost; the part of the labs that needs the processor."""

from functools import partial

from labsvc.modes import Mode
from labsvc.modes._hosting import hosting

MODE = Mode("estimator", "calculates estimates for the labs", 8084, partial(hosting, "estimator"))
