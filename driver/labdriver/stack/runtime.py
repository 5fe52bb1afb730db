"""What a runtime promises to the commands and to `run.py`, whichever it is.

    commands, run.py ──▶ Runtime (this interface) ──▶ stack/local/ | stack/kube/

A runtime knows the manifests of `k8s/base/` and how to bring them into service. It knows nothing of labs'
rules, of load or of reports.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Say = Callable[[str], None]  # progress, one line for people


@dataclass(frozen=True)
class Replica:
    """One running process or pod of a role."""

    role: str
    name: str  # api-1, or the pod's name
    url: str  # an address of this one replica, for health and metrics; the role's shared one where there is none;
    # "" for the database, which speaks no HTTP (its role is "postgres")
    pid: int | None  # local runtime only
    ready: bool
    restarts: int  # times it was started again after it had ended by itself
    why: str = ""  # why it is not ready, in plain words


@dataclass(frozen=True)
class Status:
    """What runs now. `problems` is empty when everything is ready."""

    up: bool  # a stack of this checkout exists, ready or not
    ready: bool
    replicas: tuple[Replica, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class ScaledTarget:
    """A role that a lab's edit.yaml scales, at this moment."""

    role: str
    wanted: int  # replicas asked for, by the autoscaler or by the manifest
    ready: int  # replicas that take requests
    min_replicas: int | None  # of its autoscaler, None where it has none
    max_replicas: int | None
    request_cores: float | None  # of one replica, None where the manifest asks for nothing
    limit_cores: float | None
    used_cores: tuple[float, ...] | None  # one figure a ready replica; None: the platform cannot tell of any
    conditions: tuple[str, ...]  # of its autoscaler, those that are not as they should be:
    # "ScalingActive False FailedGetResourceMetric: the HPA was unable to …"


@dataclass(frozen=True)
class Change:
    """What `up`, `dev` or `reset` did. `changed` is False when there was nothing to do."""

    changed: bool
    lines: tuple[str, ...]  # what was done, one line each
    took_s: float


class Runtime(Protocol):
    """All methods that wait have a deadline (LAB_READY_TIMEOUT_S) and raise EnvironmentFault naming what is missing."""

    name: str  # local, k3d, kube

    def up(self, say: Say) -> Change: ...

    def down(self, say: Say) -> Change: ...

    def reset(self, say: Say) -> Change: ...

    def dev(self, say: Say) -> Change:
        """Bring edited lab and service code into service and wait until the new code answers.

        Raises Misuse with file and line when a lab's code cannot be loaded.
        """
        ...

    def status(self) -> Status:
        """What runs now; quick, and never raises because something is broken."""
        ...

    def url(self, role: str) -> str:
        """Base address of a role as users reach it, without a trailing slash."""
        ...

    def wait_ready(self) -> Status:
        """Return once everything is ready. Raises EnvironmentFault naming what is not, at the deadline."""
        ...

    def served_code(self) -> dict[str, str]:
        """Lab id → checksum of the lab code in service; differs from the disk's when `dev` was forgotten."""
        ...

    def scaling(self) -> tuple[ScaledTarget, ...]:
        """Every role that labs scale, now; quick. Raises EnvironmentFault when the platform does not answer."""
        ...

    def unscale(self, say: Say) -> None:
        """Put every scaled role back to the replicas that it starts with, its autoscaler remembering nothing.

        Returns before new replicas are ready (`wait_ready` waits for them). Raises EnvironmentFault.
        """
        ...
