"""What the environment may say to the driver, read once. Nobody else in labdriver touches the environment."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from labdriver.browser import is_desktop
from labdriver.errors import Misuse

DEFAULT_PORTS = {"api": 8080, "worker": 8081, "generator": 8082, "depsim": 8083}
PORT_VARIABLES = {role: f"LAB_{role.upper()}_PORT" for role in DEFAULT_PORTS}
CLUSTER_VARIABLES = ("LAB_BUNDLE", "LAB_KUBE_CONTEXT", "LAB_KUBE_HOST", "LAB_REGISTRY")
# What other programs are told by the environment and we must know of; handed on as it is, never required.
OUTSIDE = (
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("DOCKER_CONTEXT", "DOCKER_DEFAULT_PLATFORM", "DOCKER_HOST", "KUBECONFIG"),
    *("PIP_CERT", "PIP_CONFIG_FILE", "SSL_CERT_FILE"),
)


@dataclass(frozen=True)
class Settings:
    """Frozen view of the `LAB_*` variables of the driver."""

    ports: Mapping[str, int]  # role → port on 127.0.0.1
    ready_timeout_s: float = 60
    may_open: bool = False  # a desktop is there and nobody forbade to open a browser
    by: str = ""  # the participant's name, when none is given on the command line
    bundle: str = ""  # folder of the prefetched bundle, "": .lab/bundle of the checkout
    kube_context: str = ""  # the cluster of RUNTIME=kube, by its name in the kubeconfig; never a default
    kube_host: str = ""  # where its NodePorts answer, "": found out
    registry: str = ""  # where RUNTIME=kube pushes the image for its nodes, "": they have it already
    outside: Mapping[str, str] = field(default_factory=dict)  # variables of other programs, see OUTSIDE


def read(environ: Mapping[str, str]) -> Settings:
    """Settings from `environ`. Raises Misuse naming the variable, its value and what was expected."""
    known = {
        *PORT_VARIABLES.values(),
        "LAB_READY_TIMEOUT_S",
        "LAB_NO_OPEN",
        "LAB_BY",
        "LAB_SCALE",
        "LAB_RUNTIME",
        *CLUSTER_VARIABLES,
    }
    for name in sorted(environ):
        if name.startswith("LAB_") and name not in known:
            raise Misuse(
                f"unknown variable {name}, expected one of: {', '.join(sorted(known))}",
                next_step=f"unset {name}",
            )
    ports = {
        role: int(_number(environ, PORT_VARIABLES[role], default, low=1, high=65535))
        for role, default in DEFAULT_PORTS.items()
    }
    if len(set(ports.values())) < len(ports):
        raise Misuse(f"two roles share a port: {ports}", next_step=f"set {', '.join(PORT_VARIABLES.values())} apart")
    return Settings(
        ports=ports,
        ready_timeout_s=_number(environ, "LAB_READY_TIMEOUT_S", 60, low=1, high=3600),
        may_open=environ.get("LAB_NO_OPEN", "") in ("", "0") and is_desktop(environ, sys.platform),
        by=environ.get("LAB_BY", ""),
        bundle=environ.get("LAB_BUNDLE", ""),
        kube_context=environ.get("LAB_KUBE_CONTEXT", ""),
        kube_host=environ.get("LAB_KUBE_HOST", ""),
        registry=environ.get("LAB_REGISTRY", "").rstrip("/"),
        outside=MappingProxyType({name: environ[name] for name in OUTSIDE if environ.get(name)}),
    )


def _number(environ: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    text = environ.get(name, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise Misuse(f"{name}={text!r}, expected a number from {low:g} to {high:g}", next_step=f"unset {name}")
    return value
