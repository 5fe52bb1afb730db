"""The bundle: everything that a cluster needs, in one folder that can be handed over on a stick.

    .lab/bundle/bundle.json        what is in it, with sizes and checksums; written last
    .lab/bundle/docker/*.tar.gz    images that Docker runs: the node, k3d's helper, our dependency layer
    .lab/bundle/cluster/*.tar.gz   images that k3s imports when it starts

Knows what belongs in it and what is missing. `prefetch` fills it, `up` only reads it.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labdriver.errors import Misuse
from labdriver.settings import Settings
from labdriver.stack.documents import documents
from labdriver.stack.kube.image import image
from labdriver.stack.manifests import IMAGE

INDEX = "bundle.json"
BASE_FILE = "docker/labsvc-base.tar.gz"
SCHEMA_VERSION = 1
CHUNK_BYTES = 1 << 20
ARCHES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}  # a machine's word → Docker's


@dataclass(frozen=True)
class Item:
    """One file of the bundle: which image it holds and who runs it."""

    name: str  # path inside the bundle
    image: str
    made_here: bool = False  # built from services/, not pulled


@dataclass(frozen=True)
class File:
    """A file as the index of a bundle states it."""

    name: str
    image: str
    size_bytes: int
    sha256: str


def folder(root: Path, settings: Settings) -> Path:
    """Where the bundle of this checkout is."""
    return Path(settings.bundle).expanduser() if settings.bundle else root / ".lab" / "bundle"


def wanted(root: Path) -> list[Item]:
    """What belongs in a bundle of this checkout, read from k3d.yaml, the manifests and images.yaml."""
    k8s = root / "k8s"
    hidden = documents(k8s / "images.yaml")[0]
    node = documents(k8s / "k3d.yaml")[0]["image"]
    named = [name for path in sorted(k8s.glob("base/*.yaml")) + sorted(k8s.glob("k3d/*.yaml")) for name in _named(path)]
    ours = image(root)
    docker = [Item(_file("docker", name), name) for name in [node, *hidden["docker"]]]
    cluster = [Item(_file("cluster", name), name) for name in dict.fromkeys([*hidden["cluster"], *named])]
    return [
        *docker,
        *(item for item in cluster if item.image.partition(":")[0] != IMAGE),
        Item(BASE_FILE, ours.base, made_here=True),
        Item("cluster/labsvc.tar.gz", ours.app, made_here=True),
    ]


def read(path: Path) -> dict[str, File]:
    """The files of a bundle by name; empty when there is none. Raises Misuse for an index of another kind."""
    try:
        index = json.loads((path / INDEX).read_text(encoding="utf-8"))
        if index["schema_version"] != SCHEMA_VERSION:
            raise Misuse(f"{path / INDEX} has schema {index['schema_version']}, this kit reads {SCHEMA_VERSION}")
        return {file["name"]: File(**file) for file in index["files"]}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misuse(
            f"{path / INDEX} is not a bundle's index ({error})", next_step="make prefetch RUNTIME=k3d"
        ) from error


def arch(path: Path) -> str:
    """The processor that a bundle is for, "" when it does not say."""
    try:
        return str(json.loads((path / INDEX).read_text(encoding="utf-8"))["arch"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def write(path: Path, files: dict[str, File], *, arch: str) -> None:
    """Write the index, whole and at once."""
    index: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "arch": arch, "files": [vars(f) for f in files.values()]}
    beside = path / f"{INDEX}.part"
    beside.write_text(json.dumps(index, indent=1), encoding="utf-8")
    beside.replace(path / INDEX)


def missing(path: Path, items: list[Item]) -> list[str]:
    """Images that `up` would look for in vain. Looks at names and sizes; checksums were compared when it was filled.

    Our own image counts as there in any version: an edit is built upon the dependency layer, without network.
    """
    try:
        files = read(path)
    except Misuse:
        files = {}
    return [item.image for item in items if not _is_there(path, item, files.get(item.name))]


def fits(file: File, item: Item) -> bool:
    """True when a file has what the kit wants of that name. Our own image fits in any version."""
    return file.image == item.image or item.image.startswith(f"{IMAGE}:")


def _is_there(path: Path, item: Item, file: File | None) -> bool:
    if file is None or not fits(file, item):
        return False
    try:
        return (path / file.name).stat().st_size == file.size_bytes
    except OSError:
        return False


def sha256(path: Path) -> str:
    """Checksum of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file(where: str, name: str) -> str:
    return f"{where}/{re.sub(r'[^A-Za-z0-9.-]+', '_', name)}.tar.gz"


def _named(path: Path) -> list[str]:
    return re.findall(r"^\s*image:\s*(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
