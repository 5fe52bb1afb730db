"""Watches the replicas of roles that labs scale, and runs their autoscalers: what the metrics server and the HPA
controller do in a cluster.

    processes ──ready? processor time──▶ Scaling ──▶ hpa.Controller ──▶ desk: so many replicas
                                            └──▶ balance.py: who is ready;  control: who wants what, and why

Quicker than a cluster, so that a short run shows it: use over 2 s instead of 15, a decision a second instead of every
15, scaled down after 15 s instead of 300.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from labdriver.stack.hpa import Controller, Decision, Reading, Target
from labdriver.stack.local import cpu, health
from labdriver.stack.local.processes import log
from labdriver.stack.manifests import Role

if TYPE_CHECKING:
    from labdriver.stack.local.supervisor import Slot, Supervisor

TICK_S = 0.2  # between two looks for replicas that have become ready
SYNC_S = 1.0  # between two decisions of an autoscaler; a replica that is silent for longer is asked again after it
WINDOW_S = 2.0  # over which processor use is measured
SHORTEST_S = 1.0  # below this a figure would say nothing yet
DOWN_WINDOW_S = 15.0  # before an autoscaler takes replicas away, where its manifest says nothing


class Use:
    """Processor use of one ready process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: deque[tuple[float, float]] = deque()  # (monotonic, processor seconds)
        self.look()

    def look(self) -> None:
        used_s, now_s = cpu.seconds(self._pid), time.monotonic()
        if used_s is not None:
            self._seen.append((now_s, used_s))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - WINDOW_S:
            self._seen.popleft()

    @property
    def cores(self) -> float | None:
        """Mean over the window; None while there is too little to tell."""
        if not self._seen or self._seen[-1][0] - self._seen[0][0] < SHORTEST_S:
            return None
        (first_s, first_used_s), (last_s, last_used_s) = self._seen[0], self._seen[-1]
        return (last_used_s - first_used_s) / (last_s - first_s)


class Scaling:
    """The scaled roles of one supervisor. `changing` is held while a role changes, `rescale` changes it."""

    def __init__(
        self,
        supervisor: "Supervisor",
        *,
        changing: Callable[[str], AbstractAsyncContextManager[Any]],
        rescale: Callable[[str, int], Awaitable[None]],
    ) -> None:
        self._supervisor = supervisor
        self._changing = changing
        self._rescale = rescale
        self._uses: dict[int, Use] = {}  # pid → use; who is in here is ready
        self._controllers: dict[str, Controller] = {}
        self._last: dict[str, Decision] = {}

    async def run(self) -> None:
        """For ever: look for ready replicas, measure, decide. A turn that fails is told, and the next one comes."""
        sync_s = time.monotonic() + SYNC_S
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self._look()
                if time.monotonic() >= sync_s:
                    sync_s = max(sync_s + SYNC_S, time.monotonic())
                    for role in self._scaled():
                        async with self._changing(role.name):
                            await self._sync(role.name)
            except Exception as error:  # or nothing would scale from then on, and the edit would look guilty
                log("scaling_failed", error=repr(error))

    def ready_ports(self, role: str) -> list[int]:
        """Private ports of the replicas of a role that take requests."""
        return [slot.launched.port for slot in self._ready(role) if slot.launched and slot.launched.port]

    def is_ready(self, slot: "Slot") -> bool:
        """Whether it takes requests, as far as is known."""
        return slot.launched is not None and slot.launched.identity.pid in self._uses

    def welcome(self, pid: int) -> None:
        """A process is known to be ready."""
        self._uses.setdefault(pid, Use(pid))

    async def start_over(self, role: str) -> None:
        """Back to the replicas of the manifest, with an autoscaler that remembers nothing. Call it while changing."""
        self.forget(role)
        for slot in self._ready(role):
            assert slot.launched
            self._uses[slot.launched.identity.pid] = Use(slot.launched.identity.pid)
        await self._rescale(role, self._supervisor.stack.roles[role].replicas)

    def forget(self, role: str) -> None:
        self._controllers.pop(role, None)
        self._last.pop(role, None)

    def told(self) -> list[dict[str, Any]]:
        """Every scaled role as `ScaledTarget` (stack/runtime.py) has it."""
        return [self._told(role) for role in self._scaled()]

    def _told(self, role: Role) -> dict[str, Any]:
        ready = self._ready(role.name)
        uses = [self._uses[slot.launched.identity.pid].cores for slot in ready if slot.launched]
        used = [cores for cores in uses if cores is not None]
        hpa, last = role.autoscaler, self._last.get(role.name)
        return {
            "role": role.name,
            "wanted": self._supervisor.wanted[role.name],
            "ready": len(ready),
            "min_replicas": hpa.min_replicas if hpa else None,
            "max_replicas": hpa.max_replicas if hpa else None,
            "request_cores": role.cpu_request_cores,
            "limit_cores": role.cpu_limit_cores,
            "used_cores": used if used or not ready else None,
            "conditions": [str(c) for c in last.conditions if not c.is_well] if last else [],
        }

    def _scaled(self) -> list[Role]:
        return [role for role in self._supervisor.stack.roles.values() if role.is_scaled]

    def _ready(self, role: str) -> "list[Slot]":
        slots = self._supervisor.of_role(role)
        return [slot for slot in slots if self.is_ready(slot)]

    async def _look(self) -> None:
        """Who has become ready, and what everybody uses."""
        slots = [slot for role in self._supervisor.balancers for slot in self._supervisor.of_role(role)]
        pids = {slot.launched.identity.pid for slot in slots if slot.launched}
        self._uses = {pid: use for pid, use in self._uses.items() if pid in pids}
        for use in self._uses.values():
            use.look()
        unready = [slot for slot in slots if slot.launched and slot.launched.identity.pid not in self._uses]
        await asyncio.gather(*(self._ask(slot) for slot in unready))

    async def _ask(self, slot: "Slot") -> None:
        launched = slot.launched
        if launched is None or launched.port is None:
            return
        found = await asyncio.to_thread(health.ask, launched.port, timeout_s=SYNC_S)
        if found and found.ready and found.pid == launched.identity.pid:
            self.welcome(found.pid)

    async def _sync(self, name: str) -> None:
        """One decision of a role's autoscaler, if it has one."""
        role = self._supervisor.stack.roles[name]
        if role.autoscaler is None:
            self.forget(name)
            return
        controller = self._controllers.get(name)
        if controller is None or controller.hpa != role.autoscaler:
            controller = self._controllers[name] = Controller(role.autoscaler, DOWN_WINDOW_S)
        before = self._supervisor.wanted[name]
        target = Target(before, name, role.cpu_request_cores, tuple(map(self._reading, self._supervisor.of_role(name))))
        decision = self._last[name] = controller.decide(time.monotonic(), target)
        if decision.replicas != before:
            used = [round(r.used_cores, 3) for r in target.readings if r.used_cores is not None]
            log("autoscaled", role=name, replicas=decision.replicas, before=before, used_cores=used)
            await self._rescale(name, decision.replicas)

    def _reading(self, slot: "Slot") -> Reading:
        use = self._uses.get(slot.launched.identity.pid) if slot.launched else None
        return Reading(slot.name, ready=use is not None, used_cores=use.cores if use else None)
