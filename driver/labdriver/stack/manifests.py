"""Reads `k8s/base/*.yaml`, the one description of the stack, into frozen records.

    k8s/base ──▶ Stack(roles, database) ──▶ the local runtime; k3d and kube apply the same files as they are

Knows Kubernetes' words, no runtime. What a manifest says and this module does not understand is left alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from labdriver.errors import Misuse
from labdriver.stack.documents import documents
from labdriver.stack.hpa import Hpa

IMAGE = "breakwater/labsvc"
DATABASE = "postgres"
POD_NAME = "$(POD_NAME)"  # stands in `Role.env` where the manifest asks for the pod's name
_MEMORY_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}


@dataclass(frozen=True)
class Role:
    """One Deployment of the services' image and the Service before it."""

    name: str
    args: tuple[str, ...]
    env: Mapping[str, str]  # resolved; in-cluster host names as they stand
    replicas: int
    port: int
    node_port: int | None
    cpu_request_cores: float | None
    cpu_limit_cores: float | None
    autoscaler: Hpa | None = None  # only where a lab's edit.yaml gives it one
    is_scaled: bool = False  # a lab's edit.yaml is laid over it


@dataclass(frozen=True)
class Stack:
    """All of it."""

    roles: Mapping[str, Role]
    database_args: tuple[str, ...]  # what the database server is started with


def read(folder: Path) -> Stack:
    """The stack that `folder` describes. Raises Misuse naming the file and what is missing."""
    found = [(path, document) for path in sorted(folder.glob("*.yaml")) for document in documents(path)]
    of_kind: dict[str, dict[str, Any]] = {}
    for path, document in found:
        try:
            of_kind.setdefault(document["kind"], {})[document["metadata"]["name"]] = (path, document)
        except (KeyError, TypeError):
            raise Misuse(f"{path}: a document has no kind or no name", next_step=f"git checkout {path}") from None
    values = _values(of_kind)
    roles, database_args = {}, ()
    for name, (path, deployment) in of_kind.get("Deployment", {}).items():
        try:
            container = deployment["spec"]["template"]["spec"]["containers"][0]
            if container["image"].split(":")[0] == IMAGE:
                _, service = of_kind["Service"][name]
                roles[name] = _role(deployment, container, service, values)
            elif name == DATABASE:
                database_args = tuple(container.get("args", ())[1:])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise Misuse(f"{path}: Deployment {name}: {error} is missing or wrong", next_step=f"mend {path}") from error
    if not roles:
        raise Misuse(f"{folder} describes no role (no Deployment of {IMAGE})", next_step=f"git checkout {folder}")
    return Stack(MappingProxyType(roles), database_args)


def _values(of_kind: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, str]]:
    """Contents of every ConfigMap and Secret: ("configMap", name) → its data."""
    maps = {("configMap", name): doc.get("data", {}) for name, (_, doc) in of_kind.get("ConfigMap", {}).items()}
    secrets = {("secret", name): doc.get("stringData", {}) for name, (_, doc) in of_kind.get("Secret", {}).items()}
    return {**maps, **secrets}


def _role(
    deployment: Mapping[str, Any],
    container: Mapping[str, Any],
    service: Mapping[str, Any],
    values: Mapping[tuple[str, str], Mapping[str, str]],
) -> Role:
    resources = container.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    port = service["spec"]["ports"][0]
    return Role(
        name=deployment["metadata"]["name"],
        args=tuple(container["args"]),
        env=MappingProxyType(_environment(container, values)),
        replicas=int(deployment["spec"].get("replicas", 1)),
        port=int(port["port"]),
        node_port=port.get("nodePort"),
        cpu_request_cores=cores(requests["cpu"]) if "cpu" in requests else None,
        cpu_limit_cores=cores(limits["cpu"]) if "cpu" in limits else None,
    )


def _environment(container: Mapping[str, Any], values: Mapping[tuple[str, str], Mapping[str, str]]) -> dict[str, str]:
    env: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        for kind in ("configMap", "secret"):
            if f"{kind}Ref" in source:
                env.update(values[kind, source[f"{kind}Ref"]["name"]])
    for entry in container.get("env", ()):
        env[entry["name"]] = str(entry["value"]) if "value" in entry else _from(entry["valueFrom"], values)
    return env


def _from(source: Mapping[str, Any], values: Mapping[tuple[str, str], Mapping[str, str]]) -> str:
    if source.get("fieldRef", {}).get("fieldPath") == "metadata.name":
        return POD_NAME
    for kind in ("configMap", "secret"):
        reference = source.get(f"{kind}KeyRef")
        if reference:
            return values[kind, reference["name"]][reference["key"]]
    raise ValueError(f"valueFrom {dict(source)}")


def cores(quantity: str | float) -> float:
    """`200m` → 0.2, `2` → 2.0."""
    text = str(quantity)
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def memory_bytes(quantity: str | int) -> int:
    """`128Mi` → 134217728."""
    text = str(quantity)
    for unit, factor in _MEMORY_UNITS.items():
        if text.endswith(unit):
            return int(float(text[: -len(unit)]) * factor)
    return int(text)
