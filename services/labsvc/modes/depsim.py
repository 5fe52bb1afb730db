"""Mode `depsim`: the remote dependency, with scripted bad days."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from labsvc.deps import RealClock
from labsvc.depsim.app import Depsim
from labsvc.health import Service
from labsvc.metrics import Metrics
from labsvc.modes import Mode
from labsvc.settings import Settings


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Service]:
    depsim = Depsim(RealClock(), seed=settings.seed)
    yield Service("depsim", settings.replica or "depsim", depsim.app, Metrics(), on_stop=depsim.let_go)


MODE = Mode("depsim", "plays the remote dependency, with scripted faults", 8083, _open)
