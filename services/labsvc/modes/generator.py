"""Mode `generator`: will simulate the live business; for now it only says that it lives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from labsvc.health import Service
from labsvc.metrics import Metrics
from labsvc.modes import Mode
from labsvc.settings import Settings


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Service]:
    yield Service("generator", settings.replica or "generator", Starlette(), Metrics())


MODE = Mode("generator", "simulates the live business (its health page only, for now)", 8082, _open)
