"""k8s/k3d.yaml with what only this checkout knows: name, ports, the folder of its bundle, labels of ownership."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labdriver.stack.documents import documents
from labdriver.stack.local.ports import HOST
from labdriver.stack.manifests import Role

OWNER_LABEL, CONFIG_LABEL = "breakwater.checkout", "breakwater.config"
IMPORTED_AT_START = "/var/lib/rancher/k3s/agent/images"
SERVER = ["server:0"]

Config = dict[str, Any]


def config(root: Path, title: str, ports: Mapping[str, int], *, roles: Mapping[str, Role], images: Path) -> Config:
    """The configuration of a cluster. Raises Misuse when k3d.yaml cannot be read."""
    made: Config = documents(root / "k8s" / "k3d.yaml")[0]
    made["metadata"] = {"name": title}
    made["ports"] = [
        {"port": f"{HOST}:{port}:{roles[role].node_port}", "nodeFilters": ["server:0:direct"]}
        for role, port in ports.items()
    ]
    made["volumes"] = [{"volume": f"{images}:{IMPORTED_AT_START}", "nodeFilters": SERVER}]
    labels = {OWNER_LABEL: str(root), CONFIG_LABEL: fingerprint(made)}
    runtime = made.setdefault("options", {}).setdefault("runtime", {})
    runtime["labels"] = [{"label": f"{key}={value}", "nodeFilters": SERVER} for key, value in labels.items()]
    return made


def ports(made: Config, roles: Mapping[str, Role]) -> dict[str, int]:
    """Role → port on this machine, read back from a configuration."""
    names = {str(role.node_port): name for name, role in roles.items()}
    split = [one["port"].split(":") for one in made["ports"]]
    return {names[inside]: int(outside) for _, outside, inside in split}


def fingerprint(made: Config) -> str:
    """Checksum of a configuration; the labels, which hold it, are left out."""
    options = {key: value for key, value in made.get("options", {}).items() if key != "runtime"}
    plain = {**made, "options": options}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]
