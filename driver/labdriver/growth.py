"""What a run needs of a lab whose replicas change: their first count, proof that they can be measured, a look a second.

    run.py ──▶ prepare() ──▶ runtime.unscale, wait for a processor figure of every replica
           ──▶ Follower ──runtime.scaling() once a second──▶ figures beside the probe's, conditions for the record

Judges nothing. That no figure can be had is the platform's fault and ends the run; that the autoscaler finds none
(no request, an unknown metric) is the participant's, and is only written down.
"""

import time

from labdriver.errors import EnvironmentFault
from labdriver.stack.runtime import Runtime, Say, ScaledTarget

METRICS_DEADLINE_S = 60.0  # a metrics server of a cluster gives its first figures after up to 30 s
POLL_S = 0.2


def prepare(runtime: Runtime, role: str, say: Say) -> None:
    """Put `role` back to the replicas it starts with; return when each of them can be measured.

    Raises EnvironmentFault when the platform has no figures within a minute.
    """
    runtime.unscale(say)
    runtime.wait_ready()
    until_s = time.monotonic() + METRICS_DEADLINE_S
    told = False
    while True:
        target = of_role(runtime.scaling(), role)
        if is_measured(target):
            return
        if time.monotonic() > until_s:
            raise EnvironmentFault(
                f"the platform tells no processor use of {role}, although {target.ready} of its replicas are ready; "
                "this is not the edit's fault",
                next_step="make down up",
            )
        if not told:
            say(f"waiting for the first processor figures of {role}")
            told = True
        time.sleep(POLL_S)


def of_role(targets: tuple[ScaledTarget, ...], role: str) -> ScaledTarget:
    """The target of one role. Raises EnvironmentFault when the runtime does not know it."""
    for target in targets:
        if target.role == role:
            return target
    raise EnvironmentFault(f"the stack does not know that {role} scales", next_step="make down up")


def is_measured(target: ScaledTarget) -> bool:
    """True when every ready replica has a figure; a role that was scaled to none has nothing to be measured."""
    return target.wanted == 0 or (target.used_cores is not None and 0 < target.ready <= len(target.used_cores))


class Follower:
    """Looks at one role, once a second, from the thread of the probe."""

    def __init__(self, runtime: Runtime, role: str) -> None:
        self._runtime = runtime
        self._role = role
        self._conditions: dict[str, None] = {}  # in the order in which they were first seen

    @property
    def conditions(self) -> tuple[str, ...]:
        """What the autoscaler complained of, each complaint once."""
        return tuple(self._conditions)

    def look(self) -> dict[str, float]:
        """`<role>.replicas_wanted` and the like; empty when the runtime does not answer."""
        try:
            target = of_role(self._runtime.scaling(), self._role)
        except EnvironmentFault:
            return {}
        self._conditions |= dict.fromkeys(target.conditions)
        return figures(target)


def figures(target: ScaledTarget) -> dict[str, float]:
    """What a sample says of a target. Figures that there are none of are left out."""
    used = target.used_cores
    found = {
        "replicas_wanted": target.wanted,
        "replicas_ready": target.ready,
        "replicas_min": target.min_replicas,
        "replicas_max": target.max_replicas,
        "request_cores": target.request_cores,
        "limit_cores": target.limit_cores,
        "replica_cores": sum(used) / len(used) if used else None,
        "busiest_cores": max(used) if used else None,
        "is_measured": float(used is not None),
    }
    return {f"{target.role}.{name}": float(value) for name, value in found.items() if value is not None}
