"""Docker: a client, a daemon that answers, room enough in it, and a container that really runs.

A client that is installed proves nothing; what counts is that an image of the kit starts.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from labdriver.preflight.found import ADVICE, CONTAINERS, Check, Fix, Found, Machine, both

NEEDS_CPUS = 4
NEEDS_MEMORY_GB = 6
NEARLY = 0.9  # Docker Desktop set to 6 GB reports 5.8
CLOCK_S = 5.0  # a virtual machine that slept is minutes behind, and its certificates are then "not yet valid"
ASK_S, CONTAINER_S = 1.5, 3.0

START = Fix("open -a Docker", "sudo systemctl start docker")
INSTALL = Fix("brew install --cask docker", "sudo apt-get install -y docker.io")
GROUP = Fix("open -a Docker", "sudo usermod -aG docker $USER && newgrp docker")
SETTINGS = "open -a Docker  # Settings, Resources: 4 CPUs and 6 GB"
SIZE = Fix(SETTINGS, "make up RUNTIME=local  # this machine has no more to give")


def look(machine: Machine) -> list[Found]:
    info = _info(machine)
    if info is None:
        return [_absent(machine)]
    version = str(info.get("ServerVersion", "?"))
    found = [Found("Docker", f"daemon {version} answers", ok=True, needed_by=CONTAINERS)]
    return [*found, *_room(info), *_clock(info), _buildkit(machine), _container(machine)]


def _info(machine: Machine) -> dict[str, Any] | None:
    """What the daemon says of itself. Some clients answer with status 0 and only client fields when it is down."""
    try:
        info: dict[str, Any] = json.loads(machine.docker.out)
    except ValueError:
        return None
    return info if info.get("ServerVersion") else None


def _absent(machine: Machine) -> Found:
    ran = machine.docker
    told = ran.last_words
    if ran.out:
        with suppress(ValueError):
            told = "; ".join(json.loads(ran.out).get("ServerErrors") or [told])
    if "not installed" in told:
        fix = INSTALL
    elif "permission denied" in told.lower():
        fix = GROUP
    else:
        fix = START
    return Found("Docker", f"no working daemon: {told}", ok=False, needed_by=CONTAINERS, fix=fix)


def _room(info: dict[str, Any]) -> list[Found]:
    cpus = int(info.get("NCPU", 0))
    memory_gb = int(info.get("MemTotal", 0)) / 2**30
    enough_cpus, enough_memory = cpus >= NEEDS_CPUS, memory_gb >= NEEDS_MEMORY_GB * NEARLY
    return [
        Found(
            "Docker CPUs",
            f"{cpus}" if enough_cpus else f"{cpus}, expected {NEEDS_CPUS}",
            enough_cpus,
            CONTAINERS,
            Fix() if enough_cpus else SIZE,
        ),
        Found(
            "Docker memory",
            f"{memory_gb:.1f} GB" if enough_memory else f"{memory_gb:.1f} GB, expected {NEEDS_MEMORY_GB} GB",
            enough_memory,
            CONTAINERS,
            Fix() if enough_memory else SIZE,
        ),
    ]


def _clock(info: dict[str, Any]) -> list[Found]:
    """The daemon's clock against ours: after sleep they drift apart."""
    try:
        theirs = datetime.fromisoformat(str(info["SystemTime"])[:19] + "+00:00")
        offset = str(info["SystemTime"])[-6:]
        if offset[0] in "+-":
            theirs = datetime.fromisoformat(str(info["SystemTime"])[:19] + offset)
    except (KeyError, ValueError, IndexError):
        return []
    away_s = (theirs - datetime.now(UTC)).total_seconds()
    ok = abs(away_s) <= CLOCK_S
    fix = Fix() if ok else Fix("osascript -e 'quit app \"Docker\"' && open -a Docker", "sudo systemctl restart docker")
    return [Found("Docker clock", "agrees with this machine" if ok else f"{away_s:+.0f} s", ok, CONTAINERS, fix)]


def _buildkit(machine: Machine) -> Found:
    """`make dev` builds the image; new clients need a plugin for it."""
    ran = machine.run("docker", "buildx", "version", timeout_s=ASK_S)
    if ran.ok:
        return Found("Docker build", ran.out.split()[1] if len(ran.out.split()) > 1 else "there", True, ADVICE)
    old = machine.run("docker", "--version", timeout_s=ASK_S).out
    if " version 1" in old or " version 20." in old:
        return Found("Docker build", "built into this client", ok=True, needed_by=ADVICE)
    fix = Fix("brew install docker-buildx", "sudo apt-get install -y docker-buildx")
    return Found("Docker build", "no buildx: edits of services/ cannot be brought into service", False, ADVICE, fix)


def _container(machine: Machine) -> Found:
    """Start one container of the kit's own image, without network."""
    listed = machine.run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", timeout_s=ASK_S)
    ours = [name for name in listed.out.split() if name.startswith("breakwater/labsvc") and "<none>" not in name]
    if not ours:
        return Found("container", "no image to try yet", ok=False, needed_by=ADVICE, fix=both("make prefetch"))
    ran = machine.run(
        *("docker", "run", "--rm", "--pull", "never", "--network", "none", "--read-only"),
        *("--entrypoint", "python3", ours[0], "-c", "print('afloat')"),
        timeout_s=CONTAINER_S,
    )
    ok = ran.ok and "afloat" in ran.out
    told = f"{ours[0]} runs" if ok else f"{ours[0]} does not run: {ran.last_words}"
    return Found("container", told, ok, CONTAINERS, Fix() if ok else START)


CHECK = Check(30, look)
