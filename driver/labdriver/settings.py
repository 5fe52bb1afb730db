"""What the environment may say to the driver, read once. Nobody else in labdriver touches the environment."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from labdriver.browser import is_desktop
from labdriver.errors import Misuse

DEFAULT_PORTS = {"api": 8080, "worker": 8081, "generator": 8082, "depsim": 8083}
PORT_VARIABLES = {role: f"LAB_{role.upper()}_PORT" for role in DEFAULT_PORTS}


@dataclass(frozen=True)
class Settings:
    """Frozen view of the `LAB_*` variables of the driver."""

    ports: Mapping[str, int]  # role → port on 127.0.0.1
    ready_timeout_s: float = 60
    may_open: bool = False  # a desktop is there and nobody forbade to open a browser
    by: str = ""  # the participant's name, when none is given on the command line


def read(environ: Mapping[str, str]) -> Settings:
    """Settings from `environ`. Raises Misuse naming the variable, its value and what was expected."""
    known = {*PORT_VARIABLES.values(), "LAB_READY_TIMEOUT_S", "LAB_NO_OPEN", "LAB_BY", "LAB_RUNTIME"}
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
