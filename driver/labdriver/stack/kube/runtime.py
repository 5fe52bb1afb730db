"""The stack on Kubernetes: what `up`, `down`, `reset` and `dev` mean there, whoever made the cluster.

    up, dev:  cluster ──▶ image ──▶ desired objects, applied ──▶ rollout watched ──▶ every port answers
    reset:    tables emptied inside the database's pod, depsim's script taken away; no pod is restarted

`up` and `dev` are the same work: what is as it should be is left alone, so each does the least that is needed.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from labdriver.errors import EnvironmentFault, LabError, Misuse
from labdriver.settings import DEFAULT_PORTS, Settings
from labdriver.stack import manifests
from labdriver.stack.checksum import labs_on_disk
from labdriver.stack.kube import cluster, execute, image, labs, observe, rollout
from labdriver.stack.kube.api import Api, Object
from labdriver.stack.kube.cluster import NAMESPACE, Cluster, Known
from labdriver.stack.kube.desired import Inputs, desired, password
from labdriver.stack.kube.labs import LAB_LABEL, ROLE_LABEL, LabMap
from labdriver.stack.kube.observe import Observation
from labdriver.stack.local import state
from labdriver.stack.local.postgres import WIPE
from labdriver.stack.manifests import DATABASE, IMAGE
from labdriver.stack.runtime import Change, Say, Status

QUICK_S = 3.0  # for one answer of an API that may be hanging
ASK_S = 1.0  # one probe of a public address
POLL_S = 0.1
SERVED_S = 10.0  # how long an address may still lead to a replaced pod
END_SESSIONS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND state <> 'idle'"
)
PRUNED = ("HorizontalPodAutoscaler", "PodDisruptionBudget")


class KubeRuntime:
    """The stack of the checkout `root` in a cluster."""

    def __init__(self, root: Path, settings: Settings, where: Cluster) -> None:
        self.name = where.name
        self._root = root.resolve()
        self._settings = settings
        self._cluster = where

    # What commands call

    def up(self, say: Say) -> Change:
        begun_s = time.monotonic()
        with self._changing():
            lines = self._cluster.ensure(say)
            lines += self._brought(say)
        return Change(bool(lines), tuple(lines), time.monotonic() - begun_s)

    def dev(self, say: Say) -> Change:
        begun_s = time.monotonic()
        with self._changing():
            self._must_know()
            lines = self._brought(say)
        return Change(bool(lines), tuple(lines), time.monotonic() - begun_s)

    def down(self, say: Say) -> Change:
        begun_s = time.monotonic()
        if not (self._root / ".lab").exists():
            return Change(False, (), 0.0)
        with self._changing():
            lines = self._cluster.remove(say)
        return Change(bool(lines), tuple(lines), time.monotonic() - begun_s)

    def reset(self, say: Say) -> Change:
        begun_s = time.monotonic()
        with self._changing():
            api = cluster.connect(self._must_know())
            self._wipe(api)
            self._clear_depsim()
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
        problems = observe.problems(now.deployments, now.pods, self._wanted())
        problems += self._silent(known) if not problems else []
        return Status(up=True, ready=not problems, replicas=replicas, problems=tuple(problems))

    def url(self, role: str) -> str:
        known = cluster.recall(self._cluster.folder)
        urls = known.urls if known else {}
        if role in urls:
            return urls[role]
        if role not in DEFAULT_PORTS:
            raise Misuse(f"unknown role {role!r}, expected one of: {', '.join(sorted(DEFAULT_PORTS))}")
        return f"http://127.0.0.1:{self._settings.ports[role]}"

    def wait_ready(self) -> Status:
        known = self._must_know()
        self._wait(cluster.connect(known), lambda _: None)
        return self.status()

    def served_code(self) -> dict[str, str]:
        """Lab id → checksum in service. A lab that does not load is left out, and all are while the image is old."""
        if not self._serves_newest_image():
            return {}
        told = (item for page in self._pages().values() for item in page.get("labs", {}).items())
        return {lab: str(one["code"]) for lab, one in told if not one["error"]}

    # What only Kubernetes has

    def observe(self) -> Observation:
        """Replicas, autoscalers with their conditions, processor time of pods."""
        known = self._must_know()
        return observe.observe(cluster.connect(known), known.urls)

    # Bringing the stack to what the disk says

    def _brought(self, say: Say) -> list[str]:
        """Do what is needed, and only that. Returns what was done; empty: nothing had to be."""
        labs.refuse_unparsable(self._root / "labs")
        api = cluster.connect(self._must_know())
        before = {one["metadata"]["name"]: one for one in api.list("Deployment", namespace=NAMESPACE)["items"]}
        name = self._image(before, say)
        served = _lab_names(before)
        changed = self._apply(api, self._desired(api, name, None), say)
        was_ready = not changed and self.status().ready
        self._wait(api, say)
        self._cluster.deployed(api)
        self._refuse_broken(api, name, served, say)
        self._prune(api)
        return changed if changed or was_ready else ["what was not ready yet is ready now"]

    def _image(self, before: dict[str, Object], say: Say) -> str:
        """The image that pods should ask for; made and handed over only when another one is in service."""
        wanted = image.image(self._root)
        asked = {name for one in before.values() for name in _images(one)}
        inside = next((name for name in asked if name.rpartition(":")[2] == wanted.app.rpartition(":")[2]), None)
        return inside or self._cluster.publish(wanted, say)

    def _desired(self, api: Api, name: str, maps: dict[str, LabMap] | None) -> list[Object]:
        has_secret = api.get("Secret", DATABASE, namespace=NAMESPACE) is not None
        given = Inputs(
            root=self._root,
            owner=str(self._root),
            image=name,
            pull=self._cluster.pull,
            extras=tuple(self._cluster.extras()),
            password=None if has_secret else password(),
            labs=maps,
        )
        return self._cluster.fit(desired(given), api)

    def _apply(self, api: Api, wanted: list[Object], say: Say) -> list[str]:
        """Apply every object; returns those that were not as they should be."""
        lines = []
        for one in wanted:
            meta = one["metadata"]
            kind, name, namespace = one["kind"], meta["name"], meta.get("namespace", "")
            was = api.get(kind, name, namespace=namespace)
            now = api.apply(one)
            if was is None:
                lines.append(f"{kind} {name} was made")
            elif _version(was) != _version(now):
                lines.append(f"{kind} {name} was changed")
        lines += self._drop_surplus(api, wanted)
        if lines:
            say(f"applied: {len(lines)} of {len(wanted)} objects were new or different")
        return lines

    def _drop_surplus(self, api: Api, wanted: list[Object]) -> list[str]:
        """Delete what an earlier edit.yaml had and the present one has not."""
        kept = {(one["kind"], one["metadata"]["name"]) for one in wanted}
        lines = []
        for kind in PRUNED:
            for one in api.list(kind, namespace=NAMESPACE, labelSelector=LAB_LABEL)["items"]:
                name = one["metadata"]["name"]
                if (kind, name) not in kept and api.delete(kind, name, namespace=NAMESPACE):
                    lines.append(f"{kind} {name} was removed")
        return lines

    def _wait(self, api: Api, say: Say) -> None:
        """Until every rollout is complete and every public address answers that it is ready."""
        begun_s = time.monotonic()
        rollout.wait(
            api,
            self._wanted(),
            say,
            deadline_s=self._settings.ready_timeout_s,
            no_image=self._cluster.no_image,
        )
        self._cluster.deployed(api)
        while silent := self._silent(self._must_know()):
            if time.monotonic() - begun_s > self._settings.ready_timeout_s:
                raise EnvironmentFault(f"every pod is ready, but {'; '.join(silent)}", next_step="make smoke")
            time.sleep(POLL_S)

    def _refuse_broken(self, api: Api, name: str, served: dict[str, str], say: Say) -> None:
        """Wait until the addresses lead to the new code; put the old one back when a lab of the new does not load."""
        on_disk = {lab: files.code for lab, files in labs_on_disk(self._root / "labs").items()}
        until_s = time.monotonic() + SERVED_S
        while True:
            told = {lab: one for page in self._pages().values() for lab, one in page.get("labs", {}).items()}
            if all(one["code"] == on_disk.get(lab, one["code"]) for lab, one in told.items()):
                break
            if time.monotonic() > until_s:
                break  # `run` compares again, and says so
            time.sleep(POLL_S)
        broken = {lab: str(one["error"]) for lab, one in told.items() if one["error"]}
        if not broken:
            return
        put_back = self._put_back(api, name, served, say)
        place = broken[min(broken)].split(": ")[0]
        stays = "; the older code is back in service" if put_back else ""
        raise Misuse("\n".join(broken[lab] for lab in sorted(broken)) + stays, next_step=f"mend {place}, then make dev")

    def _put_back(self, api: Api, name: str, served: dict[str, str], say: Say) -> bool:
        """Roll out the labs that were in service before, where their ConfigMaps are still there."""
        maps = {}
        for role, map_name in served.items():
            found = api.get("ConfigMap", map_name, namespace=NAMESPACE)
            if found is None:
                return False
            items = tuple({"key": key, "path": key.replace(".", "/", 1)} for key in _keys(found))
            maps[role] = LabMap(role, map_name, _bare(found), items)
        if not maps or maps.keys() < labs.lab_maps(self._root / "labs").keys():
            return False
        say("putting the older code back")
        self._apply(api, self._desired(api, name, maps), lambda _: None)
        self._wait(api, say)
        return True

    def _prune(self, api: Api) -> None:
        """Take away ConfigMaps of labs that no Deployment refers to any more."""
        used = set(_lab_names({str(i): one for i, one in enumerate(rollout.look(api).deployments)}).values())
        for one in api.list("ConfigMap", namespace=NAMESPACE, labelSelector=ROLE_LABEL)["items"]:
            if one["metadata"]["name"] not in used:
                api.delete("ConfigMap", one["metadata"]["name"], namespace=NAMESPACE)

    # Asking the stack

    def _wanted(self) -> list[str]:
        return [*manifests.read(self._root / "k8s" / "base").roles, DATABASE]

    def _serves_newest_image(self) -> bool:
        """False when pods run an image of other source than the disk has: after a checkout, say, without `dev`."""
        tag = image.image(self._root).app.rpartition(":")[2]
        try:
            now = rollout.look(cluster.connect(self._must_know(), call_s=QUICK_S))
        except LabError:
            return True  # what does not answer is told by others
        asked = {name for one in now.deployments for name in _images(one) if IMAGE.rpartition("/")[2] in name}
        return all(name.rpartition(":")[2] == tag for name in asked)

    def _silent(self, known: Known) -> list[str]:
        """Public addresses that do not say that they are ready."""
        pages = self._pages()
        told = []
        for role, url in known.urls.items():
            page = pages.get(role, {})
            if not page.get("ready"):
                told.append(f"{role}: {'; '.join(page.get('missing', [])) or f'{url} does not answer'}")
        return told

    def _pages(self) -> dict[str, dict[str, Any]]:
        """`/readyz` of every role at its public address, asked at once; {} where there is no answer."""
        known = cluster.recall(self._cluster.folder)
        if not known or not known.urls:
            return {}
        with ThreadPoolExecutor(len(known.urls)) as pool:
            return dict(zip(known.urls, pool.map(_page, known.urls.values()), strict=True))

    def _wipe(self, api: Api) -> None:
        pods = [
            p for p in observe.living(api.list("Pod", namespace=NAMESPACE)["items"]) if observe.role_of(p) == DATABASE
        ]
        ready = [pod for pod in pods if observe.replica(pod, {}).ready]
        if not ready:
            raise EnvironmentFault("the database is not ready, nothing was wiped", next_step="make up")
        for statement in (END_SESSIONS, WIPE):
            command = ["psql", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-qAtc", statement]
            execute.execute(api, ready[0], command)

    def _clear_depsim(self) -> None:
        """Take the script away; that empties the ledger and lets held calls go."""
        try:
            httpx.delete(f"{self.url('depsim')}/admin/script", timeout=5, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            raise EnvironmentFault(f"depsim did not answer ({type(error).__name__})", next_step="make up") from error

    def _must_know(self) -> Known:
        known = cluster.recall(self._cluster.folder)
        if known is None:
            raise EnvironmentFault(f"no stack is up on {self.name}", next_step=f"make up RUNTIME={self.name}")
        return known

    def _changing(self) -> Any:
        return state.changing(state.Paths(self._root), deadline_s=self._settings.ready_timeout_s)


def _page(url: str) -> dict[str, Any]:
    try:
        page = httpx.get(f"{url}/readyz", timeout=ASK_S, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return {}
    return page if isinstance(page, dict) else {}


def _version(one: Object) -> object:
    """What differs after a change of ours. Status updates raise the resource version, not the generation."""
    meta = one["metadata"]
    return meta.get("generation") or meta.get("resourceVersion")


def _images(deployment: Object) -> list[str]:
    return [str(container["image"]) for container in deployment["spec"]["template"]["spec"]["containers"]]


def _lab_names(deployments: dict[str, Object]) -> dict[str, str]:
    """Deployment → name of the ConfigMap of labs that it mounts."""
    found = {}
    for name, one in deployments.items():
        for volume in one["spec"]["template"]["spec"].get("volumes", []):
            if volume["name"] == "labs" and "configMap" in volume:
                found[name] = str(volume["configMap"]["name"])
    return found


def _keys(config_map: Object) -> list[str]:
    return [*config_map.get("data", {}), *config_map.get("binaryData", {})]


def _bare(found: Object) -> Object:
    """An object as it was read, without what the server added."""
    meta = {key: found["metadata"][key] for key in ("name", "namespace", "labels") if key in found["metadata"]}
    kept: Object = {key: found[key] for key in ("data", "binaryData", "immutable") if key in found}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, **kept}
