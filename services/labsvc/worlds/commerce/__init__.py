"""commerce: modular homes, sold, built, delivered and complained about.

    settings.yaml, catalogue/, scenarios/, surges.yaml ──▶ Business (kernel, replayed) ──▶ Commerce (live)
                                                               orders, tickets, visits        │ api: orders, prices
                                                                                              │ hub: what happens
                                                                                              └ desk: tickets

Four hundred days lie behind the business when it opens. Outside a session a day passes in three minutes and the staff
works tickets off; in a session time is real, orders are fast-tracked and participants have the tickets; a scenario is
watched in real time. services/README.md says what a facilitator sees and what the streams carry.
"""

import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from labsvc.sim import snapshot as snapshots
from labsvc.sim.instant import DAY_US, SECOND_US
from labsvc.sim.simulation import Simulation
from labsvc.worlds import Outlet
from labsvc.worlds.commerce import catalogue, errands, settings
from labsvc.worlds.commerce import saved as saves
from labsvc.worlds.commerce.business import Business
from labsvc.worlds.commerce.catalogue import Catalogue
from labsvc.worlds.commerce.living import Commerce
from labsvc.worlds.commerce.settings import Settings

VERSION = "1"  # of the code: raised when the same commands would no longer lead to the same records
FOLDER = Path(__file__).parent


class CommerceKind:
    """Implements `labsvc.worlds.Kind`. Clocks and files are injected by tests."""

    name = "commerce"
    title = "Breakwater Homes"

    def __init__(
        self,
        *,
        now_s: Callable[[], float] = time.time,
        wall_ns: Callable[[], int] = time.monotonic_ns,
        read: Callable[[], Settings] = settings.read,
        read_catalogue: Callable[[], Catalogue] = catalogue.read,
    ) -> None:
        self._now_s = now_s
        self._wall_ns = wall_ns
        self._read = read
        self._read_catalogue = read_catalogue

    def open(self, outlet: Outlet, *, seed: int, saved: str | None) -> Commerce:
        """See `worlds.Kind`. A new business has its history behind it, and none of it told to the api yet."""
        business = Business(self._read(), self._read_catalogue(), version=version())
        surges = errands.read()
        if saved is None:
            now_us = int(self._now_s()) * SECOND_US
            start_us = now_us - business.settings.business.history_days * DAY_US
            simulation = Simulation(business, seed=seed, start_us=start_us)
            simulation.kernel.run_until(now_us)
            return Commerce(outlet, simulation, business, surges, wall_ns=self._wall_ns)
        kept = saves.read(saved)
        simulation = Simulation(business, seed=kept.snapshot.seed, start_us=kept.snapshot.start_us)
        snapshots.replay(simulation.kernel, kept.snapshot)
        return Commerce(outlet, simulation, business, surges, saved=kept, wall_ns=self._wall_ns)


def version() -> str:
    """Of code and files: another catalogue is another business, and an old log would not replay."""
    digest = blake2b(digest_size=6)
    for path in sorted(FOLDER.rglob("*.yaml")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{VERSION}-{digest.hexdigest()}"


WORLD = CommerceKind()
