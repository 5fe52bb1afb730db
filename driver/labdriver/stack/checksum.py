"""Checksums of the code on disk, by the same rule as the services use for what they have loaded.

Compared with `/readyz` they tell whether edited code is in service yet. Knows files only, no runtime.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from labdriver.errors import Misuse
from labdriver.lab import LOADER

DIGITS = 12


@dataclass(frozen=True)
class LabFiles:
    """A lab as a runtime sees it: who serves it and the checksum of its code."""

    roles: tuple[str, ...]
    code: str


def lab_code(folder: Path, edit: str) -> str:
    """First 12 hex digits of sha256 over the lab's `service.py` and its edit file. Raises Misuse for a missing file."""
    try:
        content = (folder / "service.py").read_bytes() + (folder / edit).read_bytes()
    except OSError as error:
        raise Misuse(f"{error.filename}: {error.strerror}", next_step=f"git checkout {folder}") from error
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def labs_on_disk(labs: Path) -> dict[str, LabFiles]:
    """Every lab whose files can be read; whoever runs a lab says what is wrong with the others."""
    found = {}
    for path in sorted(labs.glob("*/scenario.yaml")):
        try:
            scenario: Mapping[str, Any] = yaml.load(path.read_bytes(), Loader=LOADER)
            found[path.parent.name] = LabFiles(tuple(scenario["roles"]), lab_code(path.parent, scenario["edit"]))
        except (OSError, yaml.YAMLError, KeyError, TypeError, Misuse):
            continue
    return found


def services_code(root: Path) -> str:
    """Checksum of what every role runs apart from labs: `services/labsvc/`, its pages too, and the manifests."""
    digest = hashlib.sha256()
    files = [*(root / "services" / "labsvc").rglob("*"), *root.glob("k8s/base/*.yaml")]
    for path in sorted(files):
        if path.suffix == ".pyc" or path.name.startswith(".") or not path.is_file():
            continue  # compiled, or an editor's own
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:DIGITS]
