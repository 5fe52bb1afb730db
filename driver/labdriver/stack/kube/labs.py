"""Labs on their way into a cluster: a ConfigMap for each role that serves any, and what edit.yaml files change.

    labs/<lab>/{scenario.yaml, service.py, edit.*} ──▶ ConfigMap labs-<role>-<hash> ──mounted──▶ /app/labs/<lab>/
    labs/<lab>/edit.yaml                            ──▶ laid over the stack's own objects

A ConfigMap bears the hash of its content in its name: an edit makes a new one, pods that refer to it roll out, and a
running pod never sees its files change. Knows files, no cluster.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labdriver.errors import Misuse
from labdriver.stack import edits
from labdriver.stack.checksum import labs_on_disk
from labdriver.stack.documents import documents
from labdriver.stack.kube.api import Object
from labdriver.stack.kube.cluster import NAMESPACE

ROLE_LABEL = "breakwater/labs-of"
LAB_LABEL = "breakwater/lab"
LIMIT_BYTES = 900_000  # of a ConfigMap's megabyte


@dataclass(frozen=True)
class LabMap:
    """The labs of one role, as a ConfigMap and as the paths that its keys are mounted at."""

    role: str
    name: str
    object: Object
    items: tuple[dict[str, str], ...]


def lab_maps(labs: Path) -> dict[str, LabMap]:
    """Role → its labs. Raises Misuse for Python that does not parse, with file and line: nothing is rolled out then."""
    by_role: dict[str, list[Path]] = {}
    for lab, files in labs_on_disk(labs).items():
        for role in files.roles:
            by_role.setdefault(role, []).append(labs / lab)
    return {role: _lab_map(role, folders) for role, folders in by_role.items()}


def refuse_unparsable(labs: Path) -> None:
    """Raises Misuse with file and line for lab code that is no Python, before anything is touched."""
    for folder in (labs / lab for lab in labs_on_disk(labs)):
        for path in sorted(folder.glob("*.py")):
            try:
                compile(path.read_bytes(), str(path), "exec")
            except (SyntaxError, ValueError) as error:
                place = f"{path.relative_to(labs.parent)}:{getattr(error, 'lineno', None) or 1}"
                told = f"{place}: {type(error).__name__}: {getattr(error, 'msg', error)}"
                raise Misuse(told, next_step=f"mend {place}, then make dev") from error


def overlays(labs: Path) -> list[Object]:
    """What the labs' edit.yaml files add or change, as objects. Raises Misuse for what is not theirs to change."""
    found = []
    for edit in edits.read(labs):
        for document in edit.documents:
            meta = {"namespace": NAMESPACE, **document["metadata"]}
            meta["labels"] = {**meta.get("labels", {}), LAB_LABEL: edit.lab}
            found.append({**document, "metadata": meta})
    return found


def merged(base: Any, over: Any) -> Any:
    """`over` laid upon `base`: maps key by key, lists of named things by name, everything else replaced."""
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: merged(base[key], value) if key in base else value for key, value in over.items()}}
    if _are_named(base) and _are_named(over):
        changes = {one["name"]: one for one in over}
        kept = [merged(one, changes.pop(one["name"])) if one["name"] in changes else one for one in base]
        return [*kept, *changes.values()]
    return over


def from_config_map(role: str, found: Object) -> LabMap:
    """A role's labs as a cluster has them, so that they can be rolled out again."""
    kept: Object = {key: found[key] for key in ("data", "binaryData", "immutable") if key in found}
    meta = {key: found["metadata"][key] for key in ("name", "namespace", "labels")}
    keys = [*kept.get("data", {}), *kept.get("binaryData", {})]
    items = tuple({"key": key, "path": key.replace(".", "/", 1)} for key in keys)
    return LabMap(role, meta["name"], {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, **kept}, items)


def _are_named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) and "name" in one for one in value)


def _lab_map(role: str, folders: list[Path]) -> LabMap:
    content: dict[str, bytes] = {}
    items = []
    for folder in folders:
        edit = documents(folder / "scenario.yaml")[0]["edit"]
        for name in ("scenario.yaml", "service.py", edit):
            content[f"{folder.name}.{name}"] = (folder / name).read_bytes()
            items.append({"key": f"{folder.name}.{name}", "path": f"{folder.name}/{name}"})
    size_bytes = sum(map(len, content.values()))
    if size_bytes > LIMIT_BYTES:
        raise Misuse(f"the labs of {role} are {size_bytes} bytes, expected at most {LIMIT_BYTES} for a ConfigMap")
    name = f"labs-{role}-{_digest(content)}"
    labels = {ROLE_LABEL: role}
    return LabMap(role, name, _config_map(name, labels, content), tuple(items))


def _config_map(name: str, labels: dict[str, str], content: dict[str, bytes]) -> Object:
    made: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "immutable": True,
        "data": {},
    }
    for key, value in content.items():
        try:
            made["data"][key] = value.decode()
        except UnicodeDecodeError:
            made.setdefault("binaryData", {})[key] = base64.b64encode(value).decode()
    return made


def _digest(content: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for key in sorted(content):
        digest.update(key.encode() + b"\0" + content[key] + b"\0")
    return digest.hexdigest()[:12]
