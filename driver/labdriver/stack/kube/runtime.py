"""The stack on Kubernetes: what `up`, `down`, `reset` and `dev` mean there, whoever made the cluster.

    up:    the cluster is had ──▶ delivery.py        dev: delivery.py        down: the cluster takes it all away
    reset: tables emptied inside the database's pod, depsim's script taken away; no pod is restarted

Believes what the API and the public addresses answer; what is written down only says where to ask.
"""

import time
from pathlib import Path
from typing import Any

from labdriver.errors import EnvironmentFault, LabError, Misuse
from labdriver.settings import DEFAULT_PORTS, Settings
from labdriver.stack import edits, manifests
from labdriver.stack.kube import cluster, delivery, image, observe, pages, rollout, scaled
from labdriver.stack.kube.api import Api
from labdriver.stack.kube.cluster import NAMESPACE, Cluster, Known
from labdriver.stack.kube.delivery import Delivery
from labdriver.stack.kube.execute import execute
from labdriver.stack.kube.observe import Observation
from labdriver.stack.local import state
from labdriver.stack.local.postgres import WIPE
from labdriver.stack.manifests import DATABASE, IMAGE, Role
from labdriver.stack.runtime import Change, Say, ScaledTarget, Status

QUICK_S = 3.0  # for one answer of an API that may be hanging
END_SESSIONS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'"
)


class KubeRuntime:
    """The stack of the checkout `root` in a cluster."""

    def __init__(self, root: Path, settings: Settings, where: Cluster) -> None:
        self.name = where.name
        self._root = root.resolve()
        self._settings = settings
        self._cluster = where
        self._delivery = Delivery(self._root, settings, where)

    def up(self, say: Say) -> Change:
        begun_s = time.monotonic()
        with self._changing():
            lines = self._cluster.ensure(say)
            lines += self._delivery.bring(say)
        return Change(bool(lines), tuple(lines), time.monotonic() - begun_s)

    def dev(self, say: Say) -> Change:
        begun_s = time.monotonic()
        with self._changing():
            lines = self._delivery.bring(say)
        return Change(bool(lines), tuple(lines), time.monotonic() - begun_s)

    def down(self, say: Say) -> Change:
        begun_s = time.monotonic()
        with self._changing():
            lines = self._cluster.remove(say)
        return Change(bool(lines), tuple(lines), time.monotonic() - begun_s)

    def reset(self, say: Say) -> Change:
        begun_s = time.monotonic()
        with self._changing():
            self._wipe(self._delivery.api())
            pages.delete(f"{self.url('depsim')}/admin/script")  # empties the ledger, lets held calls go
        lines = ("every table is empty", "depsim has no script and an empty ledger")
        return Change(True, lines, time.monotonic() - begun_s)

    def status(self) -> Status:
        known = cluster.recall(self._cluster.folder)
        if known is None:
            return Status(up=False, ready=False, replicas=(), problems=(f"no stack is up on {self.name}",))
        try:
            now = rollout.look(cluster.connect(known, call_s=QUICK_S))
        except LabError as error:
            return Status(up=True, ready=False, replicas=(), problems=(error.message,))
        replicas = tuple(observe.replica(pod, known.urls) for pod in observe.living(now.pods))
        problems = observe.problems(now.deployments, now.pods, self._delivery.wanted) or pages.silent(known.urls)
        return Status(up=True, ready=not problems, replicas=replicas, problems=tuple(problems))

    def url(self, role: str) -> str:
        known = cluster.recall(self._cluster.folder)
        if known and role in known.urls:
            return known.urls[role]
        if role not in DEFAULT_PORTS:
            raise Misuse(f"unknown role {role!r}, expected one of: {', '.join(sorted(DEFAULT_PORTS))}")
        return f"http://127.0.0.1:{self._settings.ports[role]}"

    def wait_ready(self) -> Status:
        self._delivery.wait(cluster.connect(self._delivery.known), lambda _: None)
        return self.status()

    def served_code(self) -> dict[str, str]:
        """Lab id → checksum in service. A lab that does not load is left out, and all are while the image is old."""
        known = cluster.recall(self._cluster.folder)
        if known is None or not self._serves_newest_image(known):
            return {}
        return {lab: str(one["code"]) for lab, one in pages.labs(known.urls).items() if not one["error"]}

    def scaling(self) -> tuple[ScaledTarget, ...]:
        known = self._delivery.known
        api = cluster.connect(known, call_s=QUICK_S)
        return scaled.targets(api, self._scaled_roles(), observe.observe(api, known.urls))

    def unscale(self, say: Say) -> None:
        api = self._delivery.api()
        for role in self._scaled_roles():
            scaled.restart(api, role)
        self._delivery.wait(api, say)

    def _scaled_roles(self) -> list[Role]:
        """Roles that labs scale, by the edits on disk."""
        base = manifests.read(self._root / "k8s" / "base")
        stack = edits.laid_over(base, edits.read(self._root / "labs"))
        return [role for role in stack.roles.values() if role.is_scaled]

    def observe(self) -> Observation:
        """What only Kubernetes has: replicas, autoscalers with their conditions, processor time of pods."""
        known = self._delivery.known
        return observe.observe(cluster.connect(known), known.urls)

    def _serves_newest_image(self, known: Known) -> bool:
        """False when pods run an image of other source than the disk has: after a checkout, say, without `dev`."""
        newest = image.tag(image.image(self._root).app)
        try:
            deployments = rollout.look(cluster.connect(known, call_s=QUICK_S)).deployments
        except LabError:
            return True  # what does not answer is told by others
        name = IMAGE.rpartition("/")[2]
        ours = [asked for one in deployments for asked in delivery.images(one) if f"/{name}:" in asked]
        return all(image.tag(asked) == newest for asked in ours)

    def _wipe(self, api: Api) -> None:
        pods = observe.living(api.list("Pod", namespace=NAMESPACE)["items"])
        ready = [p for p in pods if observe.role_of(p) == DATABASE and observe.replica(p, {}).ready]
        if not ready:
            raise EnvironmentFault("the database is not ready, nothing was wiped", next_step="make up")
        for statement in (END_SESSIONS, WIPE):
            execute(api, ready[0], ["psql", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-qAtc", statement])

    def _changing(self) -> Any:
        return state.changing(state.Paths(self._root), deadline_s=self._settings.ready_timeout_s)
