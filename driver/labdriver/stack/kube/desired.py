"""The objects of the whole stack as they should be in a cluster, from files alone.

    k8s/base/*.yaml ─┐
    k8s/k3d/*.yaml  ─┼─▶ desired() ──▶ [object, …] in the order of their application
    labs/*          ─┘     image by its hash, labs mounted, hashes on the pod templates, a password in the Secret

Knows no cluster: what a cluster needs to have different, its `fit` changes afterwards.
"""

import copy
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labdriver.errors import Misuse
from labdriver.stack.documents import documents
from labdriver.stack.kube import labs
from labdriver.stack.kube.api import GROUPS, Object
from labdriver.stack.kube.cluster import OWNER
from labdriver.stack.kube.labs import LabMap
from labdriver.stack.manifests import IMAGE

SETTINGS_HASH, LABS_HASH = "breakwater/settings", "breakwater/labs"
GENERATED = "generated"  # stands in the Secret's manifest where a password belongs
MANAGED = {"app.kubernetes.io/managed-by": "breakwater"}
FIRST = ("Namespace", "Secret", "ConfigMap", "ServiceAccount")  # before what refers to them
LABS_AT = "/app/labs"


@dataclass(frozen=True)
class Inputs:
    """What of the outside decides how the objects look."""

    root: Path
    owner: str  # the checkout
    image: str
    pull: str
    extras: tuple[Path, ...] = ()
    password: str | None = None  # None: the cluster has its Secret already, it is left alone
    labs: Mapping[str, LabMap] | None = None  # None: as they are on disk


def desired(given: Inputs) -> list[Object]:
    """All objects. Raises Misuse naming the file that is wrong."""
    paths = [*sorted((given.root / "k8s" / "base").glob("*.yaml")), *given.extras]
    objects = [one for path in paths for one in _documents(path)]
    objects = [one for one in objects if one["kind"] != "Secret" or given.password]
    maps = labs.lab_maps(given.root / "labs") if given.labs is None else given.labs
    objects += [copy.deepcopy(one.object) for one in maps.values()]
    objects = _overlaid(objects, given.root / "labs")
    settings = _digest(
        [one["data"] for one in objects if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "labsvc"]
    )
    for one in objects:
        one["metadata"]["labels"] = {**one["metadata"].get("labels", {}), **MANAGED}
        if one["kind"] == "Namespace":
            one["metadata"].setdefault("annotations", {})[OWNER] = given.owner
        elif one["kind"] == "Secret":
            _fill(one, given.password or "")
        elif one["kind"] == "Deployment":
            _dress(one, given, settings, maps)
    return sorted(objects, key=lambda one: FIRST.index(one["kind"]) if one["kind"] in FIRST else len(FIRST))


def password() -> str:
    """A new one for the database; safe inside an address."""
    return secrets.token_urlsafe(18)


def is_ours(container: Mapping[str, Any]) -> bool:
    return str(container.get("image", "")).partition(":")[0] == IMAGE


def _dress(deployment: Object, given: Inputs, settings: str, maps: Mapping[str, LabMap]) -> None:
    """Image, labs and hashes of a Deployment of ours; only the pull policy of others."""
    template = deployment["spec"]["template"]
    pod = template["spec"]
    template["metadata"]["labels"] = {**template["metadata"].get("labels", {}), **MANAGED}
    for container in pod["containers"]:
        if not is_ours(container):
            container["imagePullPolicy"] = given.pull
            continue
        container |= {"image": given.image, "imagePullPolicy": given.pull}
        annotations = template["metadata"].setdefault("annotations", {})
        annotations[SETTINGS_HASH] = settings
        lab_map = maps.get(deployment["metadata"]["name"])
        if lab_map:
            annotations[LABS_HASH] = lab_map.name
            pod.setdefault("volumes", []).append(
                {"name": "labs", "configMap": {"name": lab_map.name, "items": list(lab_map.items)}}
            )
            container.setdefault("volumeMounts", []).append({"name": "labs", "mountPath": LABS_AT, "readOnly": True})


def _overlaid(objects: list[Object], folder: Path) -> list[Object]:
    """The labs' own edits laid over them. A Deployment with an autoscaler has no replicas of its own any more."""
    by_key = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    for over in labs.overlays(folder):
        key = (over["kind"], over["metadata"]["name"])
        by_key[key] = labs.merged(by_key[key], over) if key in by_key else over
    for (kind, _), one in list(by_key.items()):
        if kind == "HorizontalPodAutoscaler":
            target = by_key.get(("Deployment", one.get("spec", {}).get("scaleTargetRef", {}).get("name", "")))
            if target:
                target["spec"].pop("replicas", None)
    return list(by_key.values())


def _fill(secret: Object, word: str) -> None:
    secret["stringData"] = {key: value.replace(GENERATED, word) for key, value in secret["stringData"].items()}


def _documents(path: Path) -> list[Object]:
    found = documents(path)
    for one in found:
        if one.get("kind") not in GROUPS:
            raise Misuse(f"{path}: kind {one.get('kind')!r}, expected one of: {', '.join(sorted(GROUPS))}")
        # YAML anchors make one dict of two places; changing one must not change the other
    return [json.loads(json.dumps(one)) for one in found]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
