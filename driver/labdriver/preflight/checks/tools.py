"""Programs on the path, and their versions."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from labdriver.preflight.found import ADVICE, CONTAINERS, EVERY, Check, Fix, Found, Machine

ASK_S = 2.0


@dataclass(frozen=True)
class Tool:
    """A program, how it is asked for its version, and the oldest one that is known to work."""

    name: str
    ask: tuple[str, ...]
    oldest: tuple[int, ...]
    needed_by: frozenset[str]
    fix: Fix


K3D_DEBIAN = "curl -s https://raw.githubusercontent.com/k3d-io/k3d/main/install.sh | TAG=v5.8.3 bash"
TOOLS = (
    Tool("make", ("--version",), (3, 81), EVERY, Fix("xcode-select --install", "sudo apt-get install -y make")),
    # `make solutions` and `rescue` want it, the labs do not
    Tool("git", ("--version",), (2, 20), ADVICE, Fix("brew install git", "sudo apt-get install -y git")),
    Tool(
        "k3d",
        ("version",),
        (5, 6),
        CONTAINERS,
        Fix("brew install k3d", K3D_DEBIAN),
    ),
    # the driver itself never calls it; people do, with the kubeconfig below .lab/
    Tool(
        "kubectl",
        ("version", "--client"),
        (1, 28),
        ADVICE,
        Fix("brew install kubernetes-cli", "sudo apt-get install -y kubernetes-client"),
    ),
)


def look(machine: Machine) -> list[Found]:
    with ThreadPoolExecutor(len(TOOLS)) as pool:
        return list(pool.map(lambda tool: _found(tool, machine), TOOLS))


def _found(tool: Tool, machine: Machine) -> Found:
    ran = machine.run(tool.name, *tool.ask, timeout_s=ASK_S)
    if not ran.ok:
        return Found(tool.name, ran.last_words, ok=False, needed_by=tool.needed_by, fix=tool.fix)
    version = _version(ran.out)
    told = ".".join(map(str, version)) or "version unknown"
    ok = not version or version >= tool.oldest
    if not ok:
        told += f", expected {_dotted(tool.oldest)} or newer"
    return Found(tool.name, told, ok, tool.needed_by, Fix() if ok else tool.fix)


def _version(text: str) -> tuple[int, ...]:
    match = re.search(r"\bv?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in match.groups() if part is not None) if match else ()


def _dotted(version: Iterable[int]) -> str:
    return ".".join(map(str, version))


CHECK = Check(20, look)
