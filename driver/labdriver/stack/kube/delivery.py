"""Brings the stack in a cluster to what the disk says, with the least that does it; `up` and `dev` both end here.

image in service? ──▶ else publish ──▶ apply what differs ──▶ rollouts watched ──▶ addresses answer
                                                                   └── a lab does not load: older code put back
"""

import time
from functools import cached_property
from pathlib import Path

from labdriver.errors import EnvironmentFault, Misuse
from labdriver.settings import Settings
from labdriver.stack import manifests
from labdriver.stack.checksum import labs_on_disk
from labdriver.stack.kube import cluster, image, labs, observe, pages, rollout
from labdriver.stack.kube.api import Api, Object
from labdriver.stack.kube.cluster import NAMESPACE, Cluster, Known
from labdriver.stack.kube.desired import Inputs, desired, password
from labdriver.stack.kube.labs import LAB_LABEL, ROLE_LABEL, LabMap
from labdriver.stack.manifests import DATABASE
from labdriver.stack.runtime import Say

POLL_S = 0.1
SERVED_S = 10.0  # how long an address may still lead to a replaced pod
PRUNED = ("HorizontalPodAutoscaler", "PodDisruptionBudget")


class Delivery:
    """Of one checkout to one cluster, which exists and answers."""

    def __init__(self, root: Path, settings: Settings, where: Cluster) -> None:
        self._root = root
        self._settings = settings
        self._cluster = where

    @cached_property
    def wanted(self) -> list[str]:
        """Names of the Deployments that make up the stack."""
        return [*manifests.read(self._root / "k8s" / "base").roles, DATABASE]

    @property
    def known(self) -> Known:
        """The cluster. Raises EnvironmentFault when there is none."""
        known = cluster.recall(self._cluster.folder)
        if known is None:
            name = self._cluster.name
            raise EnvironmentFault(f"no stack is up on {name}", next_step=f"make up RUNTIME={name}")
        return known

    def api(self) -> Api:
        """Its API, for changing something there. Raises EnvironmentFault when it is not the cluster of `up`."""
        return cluster.to_change(self.known, self._cluster.folder)

    def bring(self, say: Say) -> list[str]:
        """Do what is needed, and only that. Returns what was done; empty: nothing had to be."""
        labs.refuse_unparsable(self._root / "labs")
        api = self.api()
        before = api.list("Deployment", namespace=NAMESPACE)["items"]
        name = self._image(before, say)
        changed = self._apply(api, self._desired(api, name, None), say)
        self._bury(api)
        was_ready = not changed and not self._problems(api)
        self.wait(api, say)
        self._refuse_broken(api, name, lab_names(before), say)
        self._prune(api)
        return changed if changed or was_ready else ["what was not ready yet is ready now"]

    def wait(self, api: Api, say: Say) -> None:
        """Until every rollout is complete and every public address says that it is ready."""
        begun_s, limit_s = time.monotonic(), self._settings.ready_timeout_s
        rollout.wait(api, self.wanted, say, deadline_s=limit_s, no_image=self._cluster.no_image)
        self._cluster.deployed(api)
        while silent := pages.silent(self.known.urls):
            if time.monotonic() - begun_s > limit_s:
                raise EnvironmentFault(f"every pod is ready, but {'; '.join(silent)}", next_step="make smoke")
            time.sleep(POLL_S)

    def _problems(self, api: Api) -> list[str]:
        now = rollout.look(api)
        return observe.problems(now.deployments, now.pods, self.wanted) or pages.silent(self.known.urls)

    def _image(self, before: list[Object], say: Say) -> str:
        """The image that pods should ask for; made and handed over only when another one is in service."""
        wanted = image.image(self._root)
        asked = [name for one in before for name in images(one)]
        inside = next((name for name in asked if self._cluster.serves(name, wanted)), None)
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
            kind, name = one["kind"], meta["name"]
            was = api.get(kind, name, namespace=meta.get("namespace", ""))
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

    def _bury(self, api: Api) -> None:
        """Take away evicted pods: a Deployment that runs one pod at a time waits for them for ever. Seen for real."""
        for pod in api.list("Pod", namespace=NAMESPACE)["items"]:
            if observe.is_over(pod):
                api.delete("Pod", pod["metadata"]["name"], namespace=NAMESPACE)

    def _refuse_broken(self, api: Api, name: str, served: dict[str, str], say: Say) -> None:
        """Wait until the addresses lead to the new code; put the old one back when a lab of the new does not load."""
        on_disk = {lab: files.code for lab, files in labs_on_disk(self._root / "labs").items()}
        until_s = time.monotonic() + SERVED_S
        while True:
            told = pages.labs(self.known.urls)
            newest = all(one["code"] == on_disk.get(lab, one["code"]) for lab, one in told.items())
            if newest or time.monotonic() > until_s:  # too late: `run` compares again, and says so
                break
            time.sleep(POLL_S)
        broken = {lab: str(one["error"]) for lab, one in told.items() if one["error"]}
        if not broken:
            return
        stays = "; the older code is back in service" if self._put_back(api, name, served, say) else ""
        place = broken[min(broken)].split(": ")[0]
        raise Misuse("\n".join(broken[lab] for lab in sorted(broken)) + stays, next_step=f"mend {place}, then make dev")

    def _put_back(self, api: Api, name: str, served: dict[str, str], say: Say) -> bool:
        """Roll out the labs that were in service before, where their ConfigMaps are still there."""
        maps = {}
        for role, map_name in served.items():
            found = api.get("ConfigMap", map_name, namespace=NAMESPACE)
            if found is None:
                return False
            maps[role] = labs.from_config_map(role, found)
        if not maps or maps.keys() < labs.lab_maps(self._root / "labs").keys():
            return False
        say("putting the older code back")
        self._apply(api, self._desired(api, name, maps), lambda _: None)
        self.wait(api, say)
        return True

    def _prune(self, api: Api) -> None:
        """Take away ConfigMaps of labs that no Deployment refers to any more."""
        used = set(lab_names(rollout.look(api).deployments).values())
        for one in api.list("ConfigMap", namespace=NAMESPACE, labelSelector=ROLE_LABEL)["items"]:
            if one["metadata"]["name"] not in used:
                api.delete("ConfigMap", one["metadata"]["name"], namespace=NAMESPACE)


def images(deployment: Object) -> list[str]:
    """Images that the pods of a Deployment ask for."""
    return [str(container["image"]) for container in deployment["spec"]["template"]["spec"]["containers"]]


def lab_names(deployments: list[Object]) -> dict[str, str]:
    """Deployment → name of the ConfigMap of labs that it mounts."""
    return {
        str(one["metadata"]["name"]): str(volume["configMap"]["name"])
        for one in deployments
        for volume in one["spec"]["template"]["spec"].get("volumes", [])
        if volume["name"] == "labs" and "configMap" in volume
    }


def _version(one: Object) -> object:
    """What differs after a change of ours. Status updates raise the resource version, not the generation."""
    meta = one["metadata"]
    return meta.get("generation") or meta.get("resourceVersion")
