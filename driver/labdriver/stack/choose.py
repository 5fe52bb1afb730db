"""Which runtime a command uses, and why. The only place that knows all runtimes.

auto: the stack that is up, else k3d where it would work at once (Docker and k3d answer, the bundle is complete), else
local.
"""

from pathlib import Path

from labdriver.errors import Misuse
from labdriver.settings import Settings
from labdriver.stack.command import run
from labdriver.stack.kube import bundle, cluster
from labdriver.stack.runtime import Runtime

KNOWN = ("auto", "local", "k3d", "kube")
PROBE_S = 2.0


def choose(name: str, root: Path, settings: Settings) -> tuple[Runtime, str]:
    """The runtime and the reason in a few words. Raises Misuse for an unknown name."""
    if name not in KNOWN:
        raise Misuse(
            f"unknown runtime {name!r}, expected one of: {', '.join(KNOWN)}", next_step="make up RUNTIME=local"
        )
    if name != "auto":
        return _made(name, root, settings), "asked for"
    local = _made("local", root, settings)
    if local.status().up:
        return local, "it is up"
    for other in ("k3d", "kube"):
        if cluster.recall(root / ".lab" / other):
            return _made(other, root, settings), "it is up"
    why_not = _why_not_k3d(root, settings)
    return (local, why_not) if why_not else (_made("k3d", root, settings), "Docker and k3d work here")


def held_ports(root: Path, settings: Settings) -> frozenset[int]:
    """Ports that a stack of this checkout holds now, so that nobody takes them for a stranger's."""
    held: set[int] = set()
    local = _made("local", root, settings)
    if local.status().up:
        held |= {_port(local.url(role)) for role in settings.ports}
    known = cluster.recall(root / ".lab" / "k3d")
    if known:
        held |= {_port(url) for url in known.urls.values()}
    return frozenset(held)


def _made(name: str, root: Path, settings: Settings) -> Runtime:
    """A runtime by its name. Imported late: nobody pays for the ones that are not used."""
    if name == "local":
        from labdriver.stack.local.runtime import LocalRuntime

        return LocalRuntime(root, ports=settings.ports, ready_timeout_s=settings.ready_timeout_s)
    from labdriver.stack.kube.k3d import K3dCluster
    from labdriver.stack.kube.named import NamedCluster
    from labdriver.stack.kube.runtime import KubeRuntime

    return KubeRuntime(root, settings, (K3dCluster if name == "k3d" else NamedCluster)(root, settings))


def _why_not_k3d(root: Path, settings: Settings) -> str:
    """Why k3d would not work at once; "" when it would. Cheap things are asked first."""
    folder = bundle.folder(root, settings)
    if not (folder / bundle.INDEX).is_file():
        return "needs neither Docker nor Kubernetes"
    missing = bundle.missing(folder, bundle.wanted(root))
    if missing:
        return f"k3d would be next, but the bundle lacks {len(missing)} images: make prefetch RUNTIME=k3d"
    for args in (("k3d", "version"), ("docker", "version", "--format", "{{.Server.Version}}")):
        ran = run(*args, timeout_s=PROBE_S)
        if not ran.ok:
            return f"k3d would be next, but: {ran.last_words}"
    return ""


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
