"""What a check is given and what it gives back.

    Machine ──▶ checks/<name>.py: CHECK ──▶ [Found, …] ──▶ readiness.py

Starts nothing itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from labdriver.settings import Settings
from labdriver.stack.command import Ran

EVERY = frozenset({"local", "k3d", "kube"})
CONTAINERS = frozenset({"k3d"})
ADVICE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Fix:
    """One line to paste, for each of the systems that the kit knows."""

    macos: str = ""
    debian: str = ""

    def on(self, system: str) -> str:
        return self.macos if system == "darwin" else self.debian


def both(line: str) -> Fix:
    """The same line everywhere."""
    return Fix(line, line)


@dataclass(frozen=True)
class Found:
    """What one check found. `needed_by` names the runtimes that cannot work without it; empty: advice."""

    what: str
    told: str
    ok: bool
    needed_by: frozenset[str] = EVERY
    fix: Fix = field(default_factory=Fix)


@dataclass(frozen=True)
class Machine:
    """What checks may look at, and how: `run` is one program with a deadline in seconds."""

    root: Path
    settings: Settings
    system: str  # sys.platform: darwin, linux
    arch: str  # platform.machine(): x86_64, arm64
    ours: frozenset[int]  # ports that our own running stack holds
    docker: Ran  # `docker info` as JSON, asked once
    run: Callable[..., Ran]


@dataclass(frozen=True)
class Check:
    """One file of `checks/`. `place` orders the page, the way a person would mend things."""

    place: int
    look: Callable[[Machine], list[Found]]
