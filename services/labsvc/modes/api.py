"""Mode `api`: serves the labs' routes and the shop."""

from functools import partial

from labsvc.modes import Mode
from labsvc.modes._hosting import hosting

MODE = Mode("api", "serves the labs' routes and the shop", 8080, partial(hosting, "api"))
