"""One world on one kernel, put together: what a host holds and what a world is given.

    World.start(simulation) declares sources, stations, chains ─▶ scenarios are read and checked ─▶ ready to run

A world never sees the clock or the host; the host never sees what a world is made of.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from labsvc.sim import scenario as files
from labsvc.sim import snapshot as snapshots
from labsvc.sim.kernel import Kernel
from labsvc.sim.lifecycle import Scenarios
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.scenario import Scenario
from labsvc.sim.snapshot import Snapshot
from labsvc.sim.timeline import EVENT_TYPES, Timeline


class World(Protocol):
    """A business: what `labsvc/worlds/<name>` provides. Members may be plain attributes."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """Raised when the same seed and commands would no longer lead to the same records."""
        ...

    @property
    def scenarios(self) -> Path | Mapping[str, Scenario]:
        """The folder of its scenario files, or scenarios made in code."""
        ...

    def start(self, simulation: "Simulation") -> None:
        """Declare everything on the simulation's kernel and modifiers; called once, before any event."""
        ...


class Simulation:
    """A run. Raises Misuse, with every fault of every scenario file, when the world does not fit together."""

    def __init__(self, world: World, *, seed: int, start_us: int, event_types: tuple[str, ...] = EVENT_TYPES) -> None:
        self.kernel = Kernel(world=world.name, seed=seed, start_us=start_us, version=world.version)
        self.modifiers = Modifiers(self.kernel)
        self.timeline = Timeline(self.kernel)
        world.start(self)
        found = world.scenarios
        catalogue = files.load(found, self.modifiers, event_types=event_types) if isinstance(found, Path) else found
        self.scenarios = Scenarios(self.kernel, self.modifiers, self.timeline, catalogue, event_types=event_types)

    def snapshot(self) -> Snapshot:
        """What brings this run back after a restart of the process; JSON by `model_dump_json`."""
        return snapshots.take(self.kernel)


def restore(world: World, snapshot: Snapshot, *, event_types: tuple[str, ...] = EVENT_TYPES) -> Simulation:
    """The run of a snapshot, replayed to the same instant. Raises Misuse when it does not arrive there exactly."""
    simulation = Simulation(world, seed=snapshot.seed, start_us=snapshot.start_us, event_types=event_types)
    snapshots.replay(simulation.kernel, snapshot)
    return simulation
