"""Finds the modules of a folder by their names: rules, books, panels. A module's name is its public name.

A name that starts with an underscore is shared code of its siblings, not one of them. Imports a module only when it
is asked for.
"""

import importlib
import pkgutil
from types import ModuleType
from typing import Any

from labdriver.errors import Misuse


def known(package: ModuleType) -> list[str]:
    """Names of everything in `package`, in alphabetical order."""
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def find(package: ModuleType, name: str, *, constant: str) -> Any:
    """The constant that the module `name` of `package` exports. Raises Misuse that lists the known names."""
    names = known(package)
    what = package.__name__.rpartition(".")[2]
    if name not in names:
        raise Misuse(f"unknown {what} {name!r}, expected one of: {', '.join(names)}", next_step="mend scenario.yaml")
    return getattr(importlib.import_module(f"{package.__name__}.{name}"), constant)
