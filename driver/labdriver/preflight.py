"""Checks this machine without network, in seconds: what is there, what is missing, what to type.

Each check is a function from the settings to one `Found`. Starts and changes nothing.
"""

import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from labdriver.settings import PORT_VARIABLES, Settings

NEEDS_DISK_GIB = 1.0
NEEDS_MEMORY_GIB = 2.0


@dataclass(frozen=True)
class Found:
    """What one check found. `fix` is one line to paste, empty when nothing is to be done."""

    what: str
    told: str
    ok: bool
    required: bool = True
    fix: str = ""


Check = Callable[[Path, Settings], list[Found]]


def preflight(root: Path, settings: Settings, *, ours: frozenset[int]) -> list[Found]:
    """Everything found, in the order a person would mend it. `ours`: ports that our own running stack holds."""
    found = [*_python(), *_tools(), *_disk(root), *_memory(), *_line_ends(root)]
    return found + _ports(settings, ours)


def _python() -> list[Found]:
    version = platform.python_version()
    ok = sys.version_info >= (3, 11)
    return [Found("Python", version, ok, fix="" if ok else _install("python3.12", "python@3.12"))]


def _tools() -> list[Found]:
    return [
        Found(
            tool,
            shutil.which(tool) or "not found",
            bool(shutil.which(tool)),
            required,
            "" if shutil.which(tool) else fix,
        )
        for tool, required, fix in (
            ("make", True, _install("make", "make")),
            ("git", False, _install("git", "git")),
        )
    ]


def _disk(root: Path) -> list[Found]:
    free_gib = shutil.disk_usage(root).free / 2**30
    ok = free_gib >= NEEDS_DISK_GIB
    return [Found("disk", f"{free_gib:.1f} GiB free", ok, fix="" if ok else f"make {NEEDS_DISK_GIB:.0f} GiB of room")]


def _memory() -> list[Found]:
    free_gib = psutil.virtual_memory().available / 2**30
    ok = free_gib >= NEEDS_MEMORY_GIB
    fix = "" if ok else "close a few programs; the labs need 2 GiB"
    return [
        Found(
            "memory",
            f"{free_gib:.1f} GiB free of {psutil.virtual_memory().total / 2**30:.1f}",
            ok,
            False,
            fix,
        )
    ]


def _line_ends(root: Path) -> list[Found]:
    spoilt = [
        p.name for p in (root / "Makefile", *root.glob("labs/*/edit.*")) if p.is_file() and b"\r\n" in p.read_bytes()
    ]
    fix = "git config core.autocrlf false && git checkout-index --force --all" if spoilt else ""
    return [Found("line ends", f"CRLF in {', '.join(spoilt)}" if spoilt else "LF", not spoilt, fix=fix)]


def _ports(settings: Settings, ours: frozenset[int]) -> list[Found]:
    return [_port(role, port, port in ours) for role, port in settings.ports.items()]


def _port(role: str, port: int, ours: bool) -> Found:
    if ours:
        return Found(f"port {port}", f"held by our own {role}", ok=True)
    try:
        with socket.create_server(("127.0.0.1", port)):
            return Found(f"port {port}", f"free for {role}", ok=True)
    except OSError as error:
        told = f"taken ({os.strerror(error.errno or 0)}), wanted by {role}"
        return Found(f"port {port}", told, ok=False, fix=f"export {PORT_VARIABLES[role]}={port + 10_000}")


def _install(debian: str, brew: str) -> str:
    return f"brew install {brew}" if sys.platform == "darwin" else f"sudo apt-get install -y {debian}"
