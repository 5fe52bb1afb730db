"""Which runtime a command uses, and why. The only place that knows all runtimes."""

from pathlib import Path

from labdriver.errors import EnvironmentFault, Misuse
from labdriver.settings import Settings
from labdriver.stack.local.runtime import LocalRuntime
from labdriver.stack.runtime import Runtime

KNOWN = ("auto", "local", "k3d", "kube")


def choose(name: str, root: Path, settings: Settings) -> tuple[Runtime, str]:
    """The runtime and the reason in a few words. Raises Misuse for an unknown name."""
    if name not in KNOWN:
        raise Misuse(
            f"unknown runtime {name!r}, expected one of: {', '.join(KNOWN)}", next_step="make up RUNTIME=local"
        )
    if name in ("k3d", "kube"):
        raise EnvironmentFault(f"the runtime {name} is not in this version", next_step="make up RUNTIME=local")
    local = LocalRuntime(root, ports=settings.ports, ready_timeout_s=settings.ready_timeout_s)
    if name == "local":
        return local, "asked for"
    return local, "it is up" if local.status().up else "needs neither Docker nor Kubernetes"
