"""What Docker has of a k3d cluster: its containers, whose they are, which images its node holds.

k3d's own list leaves our labels out, and asks the same Docker.
"""

import json
from dataclasses import dataclass

from labdriver.errors import EnvironmentFault
from labdriver.stack.command import run
from labdriver.stack.kube.k3d_config import CONFIG_LABEL, OWNER_LABEL

ASK_S = 10.0


@dataclass(frozen=True)
class Seen:
    """The containers of one cluster."""

    ids: tuple[str, ...]
    servers: int
    running: int  # of the servers
    owner: str  # the checkout that made it
    fingerprint: str  # of the configuration it was made from


def look(title: str) -> Seen | None:
    """The cluster `title`, None when there is not a single container of it. Raises EnvironmentFault."""
    listed = run("docker", "ps", "-aq", "--filter", f"label=k3d.cluster={title}", timeout_s=ASK_S)
    if not listed.ok:
        raise EnvironmentFault(f"Docker cannot list containers: {listed.last_words}", next_step="make preflight")
    ids = tuple(listed.out.split())
    if not ids:
        return None
    inspected = run("docker", "inspect", *ids, timeout_s=ASK_S)
    try:
        found = json.loads(inspected.out)
        labels = {key: value for one in found for key, value in one["Config"]["Labels"].items()}
        servers = [one for one in found if one["Config"]["Labels"].get("k3d.role") == "server"]
        running = sum(bool(one["State"]["Running"]) for one in servers)
    except (ValueError, KeyError, TypeError) as error:
        raise EnvironmentFault(
            f"Docker told no containers: {inspected.last_words}", next_step="docker ps -a"
        ) from error
    return Seen(ids, len(servers), running, labels.get(OWNER_LABEL, ""), labels.get(CONFIG_LABEL, ""))


def kill(ids: tuple[str, ...]) -> None:
    """End containers at once. k3s would first drain a node that nobody needs any more, for half a minute."""
    run("docker", "kill", *ids, timeout_s=ASK_S)


def clear(title: str) -> None:
    """Remove network and volume that k3d leaves when it is interrupted before the first container."""
    run("docker", "network", "rm", f"k3d-{title}", timeout_s=ASK_S)
    run("docker", "volume", "rm", f"k3d-{title}-images", timeout_s=ASK_S)


def node(title: str) -> str:
    """The container of a cluster's one node."""
    return f"k3d-{title}-server-0"


def holds(title: str, image: str) -> bool:
    """True when the node has the image. Asked of its container runtime: the API tells it minutes late."""
    name = f"docker.io/{image}"
    ran = run(
        *("docker", "exec", node(title), "ctr", "-n", "k8s.io", "images", "ls", "-q", f"name=={name}"), timeout_s=ASK_S
    )
    return ran.ok and name in ran.out.split()
