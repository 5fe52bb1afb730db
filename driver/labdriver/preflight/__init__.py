"""Checks this machine in seconds and without network: what is there, what is missing, what to type.

    commands/preflight.py ──▶ inspect ──▶ checks/*.py, all at once ──▶ Report ──▶ readiness.py: the code to send

Changes nothing; the only thing it starts is one container without network, where there is an image for it.
"""

import importlib
import pkgutil
import platform
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from labdriver.preflight import checks
from labdriver.preflight.found import ADVICE, Check, Found, Machine
from labdriver.settings import Settings
from labdriver.stack import command
from labdriver.stack.command import Ran

LIMIT_S = 4.5  # for everything; a check that is not back by then is told as such
SPARE_S = 0.5  # of it, for what a check does after its last program
DOCKER_S = 2.5  # a daemon that takes longer to say who it is does not work


@dataclass(frozen=True)
class Report:
    """Everything found, and which runtimes would work."""

    found: tuple[Found, ...]
    took_s: float

    def missing(self, runtime: str) -> tuple[Found, ...]:
        """What keeps `runtime` from working here."""
        return tuple(one for one in self.found if not one.ok and runtime in one.needed_by)

    @property
    def works(self) -> tuple[str, ...]:
        """Runtimes of this machine that would work. A cluster somewhere else is not known without network."""
        return tuple(runtime for runtime in ("k3d", "local") if not self.missing(runtime))


def inspect(
    root: Path,
    settings: Settings,
    *,
    ours: frozenset[int],
    run: Callable[..., Ran] = command.run,
    limit_s: float = LIMIT_S,
) -> Report:
    """Look at everything. `ours`: ports that our own running stack holds."""
    begun_s = time.monotonic()

    def within(*args: str, timeout_s: float) -> Ran:
        """One program, ended before the limit: what it was asked is answered then, and the process can end."""
        left_s = limit_s - SPARE_S - (time.monotonic() - begun_s)
        return run(*args, timeout_s=max(0.1, min(timeout_s, left_s)))

    docker = run("docker", "info", "--format", "{{json .}}", timeout_s=DOCKER_S)
    machine = Machine(root, settings, sys.platform, platform.machine(), ours, docker, within)
    pool = ThreadPoolExecutor(max_workers=16)
    asked = [(name, check, pool.submit(check.look, machine)) for name, check in _checks()]
    wait([future for _, _, future in asked], timeout=max(0.1, limit_s - (time.monotonic() - begun_s)))
    pool.shutdown(wait=False, cancel_futures=True)
    found = [one for name, check, future in sorted(asked, key=lambda a: a[1].place) for one in _told(name, future)]
    return Report(tuple(found), time.monotonic() - begun_s)


def _checks() -> list[tuple[str, Check]]:
    names = [module.name for module in pkgutil.iter_modules(checks.__path__)]
    return [(name, importlib.import_module(f"{checks.__name__}.{name}").CHECK) for name in names]


def _told(name: str, future: "Future[list[Found]]") -> list[Found]:
    """What a check found. One that is late or broken must not hide the others."""
    if not future.done() or future.cancelled():
        return [Found(name, f"not known: no answer within {LIMIT_S:g} s", ok=False, needed_by=ADVICE)]
    error = future.exception()
    if error is not None:
        return [Found(name, f"not known: {type(error).__name__}: {error}", ok=False, needed_by=ADVICE)]
    return future.result()
