"""Mode `api`: serves the labs' routes and the shop."""

from contextlib import AbstractAsyncContextManager

from labsvc.health import Service
from labsvc.modes import Mode
from labsvc.modes._hosting import hosting
from labsvc.settings import Settings


def _open(settings: Settings) -> AbstractAsyncContextManager[Service]:
    return hosting("api", settings)


MODE = Mode("api", "serves the labs' routes and the shop", 8080, _open)
