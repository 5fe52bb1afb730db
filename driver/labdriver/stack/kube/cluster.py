"""What a cluster is to the runtime: something to be had, talked to, and given an image.

    runtime.py ──▶ Cluster (this interface) ──▶ k3d.py: made and mended here | named.py: given by the participant

A cluster's folder below `.lab/` exists from `up` to `down`, and that is how the kit knows its own.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from labdriver.errors import EnvironmentFault
from labdriver.stack.kube.api import CALL_S, Api, Object
from labdriver.stack.kube.image import Image
from labdriver.stack.runtime import Say

NAMESPACE = "breakwater"
OWNER = "breakwater/checkout"  # annotation of the namespace: which checkout put it there
STATE = "cluster.json"


@dataclass(frozen=True)
class Known:
    """What `up` wrote down of a cluster, so that other commands need not find it out again."""

    context: str
    kubeconfig: str
    identity: str  # uid of kube-system: another cluster under the same name is noticed
    urls: dict[str, str]  # role → base address
    fingerprint: str = ""  # k3d: of the configuration it was made from


class Cluster(Protocol):
    """All methods that reach for the cluster raise EnvironmentFault; what they wait for has a deadline."""

    name: str  # k3d, kube
    pull: str  # imagePullPolicy
    no_image: str  # what to type when a node does not have an image
    folder: Path  # its state

    def ensure(self, say: Say) -> list[str]:
        """Make it exist, run and answer. Returns what was done, one line each; empty: nothing had to be done."""
        ...

    def extras(self) -> list[Path]:
        """Manifests that this cluster needs beside the stack's."""
        ...

    def fit(self, wanted: list[Object], api: Api) -> list[Object]:
        """Adapt the stack's objects to this cluster."""
        ...

    def serves(self, name: str, wanted: Image) -> bool:
        """True when pods that ask for `name` get the image `wanted`, so that it need not be published."""
        ...

    def publish(self, image: Image, say: Say) -> str:
        """Have the image where the nodes find it. Returns the name by which pods ask for it."""
        ...

    def deployed(self, api: Api) -> None:
        """Called when the stack's objects are there: addresses can be told now."""
        ...

    def remove(self, say: Say) -> list[str]:
        """Take away everything that `ensure` and the runtime made. Returns what was done."""
        ...


def checkout(root: Path) -> str:
    """Short name of a checkout on this machine, from its path."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:6]


def remember(folder: Path, known: Known) -> None:
    """Write down a cluster; readable by its owner only, like a kubeconfig."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = folder / f"{STATE}.part"
    beside.write_text(json.dumps(asdict(known), indent=1), encoding="utf-8")
    beside.chmod(0o600)
    beside.replace(folder / STATE)


def recall(folder: Path) -> Known | None:
    """What was written down, None when nothing was, or it cannot be understood."""
    try:
        return Known(**json.loads((folder / STATE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def connect(known: Known, *, call_s: float = CALL_S) -> Api:
    """The API of a remembered cluster. Raises EnvironmentFault when its credentials are gone."""
    return Api(known.kubeconfig, known.context, call_s=call_s)


def to_change(known: Known, folder: Path) -> Api:
    """The API of a remembered cluster, for changing something there. `folder`: where it is remembered.

    Raises EnvironmentFault when it does not answer, or the context leads to another cluster by now.
    """
    api = connect(known)
    if identity(api) != known.identity:
        raise EnvironmentFault(
            f"the context {known.context} now leads to another cluster than at `up`; it is left alone",
            next_step=f"set the context right, or rm -r {folder} to begin anew",
        )
    return api


def identity(api: Api) -> str:
    """What tells one cluster from another, whatever they are called: the uid of kube-system."""
    found = api.get("Namespace", "kube-system")
    return str(found["metadata"]["uid"]) if found else ""
