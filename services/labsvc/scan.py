"""Finds what grows by folder: modes, faults, operations, worlds. A module's name is its public name.

Each module of such a folder exports one constant. Modules whose name starts with `_` are shared parts, not members.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from labsvc.errors import Misuse


def names(package: ModuleType) -> list[str]:
    """Public names of the members of a package, sorted; nothing is imported."""
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def load(package: ModuleType, name: str, constant: str) -> Any:
    """The constant of one member. Raises Misuse listing the known names."""
    known = names(package)
    kind = package.__name__.rsplit(".", 1)[-1].rstrip("s")
    if name not in known:
        raise Misuse(f"unknown {kind} {name!r}, expected one of: {', '.join(known)}")
    return getattr(importlib.import_module(f"{package.__name__}.{name}"), constant)
