"""How a run survives its process: world, seed and command log, replayed to the same instant and compared.

Nothing of the state itself is stored, so nothing can be forgotten, and the fingerprint proves that the replay is
exact. The price is time: a replay runs as fast as the world can (README.md has the figure).
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from labsvc.errors import Misuse
from labsvc.sim.kernel import Command, Kernel


class Snapshot(BaseModel):
    """What a host stores; JSON by `model_dump_json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    world: str
    version: str
    seed: int
    start_us: int
    now_us: int
    executed: int
    fingerprint: str
    commands: tuple[tuple[int, int, str, dict[str, Any]], ...]  # the fields of Command


def take(kernel: Kernel) -> Snapshot:
    """The snapshot of a run, between events. It is taken often and the log only grows: none of it is checked again."""
    kernel.run_until(kernel.now_us)
    return Snapshot.model_construct(
        world=kernel.world,
        version=kernel.version,
        seed=kernel.seed,
        start_us=kernel.start_us,
        now_us=kernel.now_us,
        executed=kernel.executed,
        fingerprint=kernel.fingerprint(),
        commands=tuple(kernel.log),
    )


def replay(kernel: Kernel, snapshot: Snapshot) -> None:
    """Bring a fresh kernel, its world started and not yet run, to where the snapshot was taken.

    Observers that reach outside are attached afterwards. Raises Misuse when world or version differ, or when the
    replay does not arrive in the same state.
    """
    for what, stored, present in (
        ("world", snapshot.world, kernel.world),
        ("version", snapshot.version, kernel.version),
    ):
        if stored != present:
            raise Misuse(f"the snapshot has {what} {stored!r}, this is {present!r}; start the world anew")
    for at_us, after_events, name, arguments in snapshot.commands:
        kernel.run_until(at_us)
        _same(after_events, kernel.executed, Command(at_us, after_events, name, arguments))
        kernel.command(name, **arguments)
    kernel.run_until(snapshot.now_us)
    _same(snapshot.executed, kernel.executed, None)
    if kernel.fingerprint() != snapshot.fingerprint:
        raise Misuse(f"the replay of {snapshot.world!r} ends in another state; start the world anew")


def _same(expected: int, got: int, command: Command | None) -> None:
    if expected != got:
        where = "the end" if command is None else f"command {command.name!r} at {command.at_us} us"
        raise Misuse(f"the replay has run {got} events at {where}, expected {expected}; start the world anew")
