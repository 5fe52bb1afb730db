"""Mode `worker`: runs the labs' jobs."""

from functools import partial

from labsvc.modes import Mode
from labsvc.modes._hosting import hosting

MODE = Mode("worker", "runs the labs' jobs", 8081, partial(hosting, "worker"))
