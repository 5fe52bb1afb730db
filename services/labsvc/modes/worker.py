"""Mode `worker`: runs the labs' jobs."""

from contextlib import AbstractAsyncContextManager

from labsvc.health import Service
from labsvc.modes import Mode
from labsvc.modes._hosting import hosting
from labsvc.settings import Settings


def _open(settings: Settings) -> AbstractAsyncContextManager[Service]:
    return hosting("worker", settings)


MODE = Mode("worker", "runs the labs' jobs", 8081, _open)
