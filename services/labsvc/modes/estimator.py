"""Mode `estimator`: calculates what a home will cost; the part of the labs that needs the processor."""

from contextlib import AbstractAsyncContextManager

from labsvc.health import Service
from labsvc.modes import Mode
from labsvc.modes._hosting import hosting
from labsvc.settings import Settings


def _open(settings: Settings) -> AbstractAsyncContextManager[Service]:
    return hosting("estimator", settings)


MODE = Mode("estimator", "calculates estimates for the labs", 8084, _open)
