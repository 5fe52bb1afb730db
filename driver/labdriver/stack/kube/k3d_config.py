"""k8s/k3d.yaml with what only this checkout knows: name, ports, the folder of its bundle, labels of ownership."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from labdriver.errors import Misuse
from labdriver.stack import manifests
from labdriver.stack.local.ports import HOST

OWNER_LABEL, CONFIG_LABEL = "breakwater.checkout", "breakwater.config"
IMPORTED_AT_START = "/var/lib/rancher/k3s/agent/images"
SERVER = ["server:0"]

Config = dict[str, Any]


def config(root: Path, title: str, ports: Mapping[str, int], images: Path) -> Config:
    """The configuration of a cluster. Raises Misuse when k3d.yaml cannot be read."""
    path = root / "k8s" / "k3d.yaml"
    try:
        made: Config = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError) as error:
        raise Misuse(f"{path} cannot be read: {error}", next_step=f"git checkout {path}") from error
    roles = manifests.read(root / "k8s" / "base").roles
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


def ports(root: Path, made: Config) -> dict[str, int]:
    """Role → port on this machine, read back from a configuration."""
    roles = {str(role.node_port): name for name, role in manifests.read(root / "k8s" / "base").roles.items()}
    split = [one["port"].split(":") for one in made["ports"]]
    return {roles[inside]: int(outside) for _, outside, inside in split}


def fingerprint(made: Config) -> str:
    """Checksum of a configuration; the labels, which hold it, are left out."""
    options = {key: value for key, value in made.get("options", {}).items() if key != "runtime"}
    plain = {**made, "options": options}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]
