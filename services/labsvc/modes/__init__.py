"""The modes of the one binary: one file each, wiring only. `MODE` says how to open its service.

cli.py ──settings──▶ MODE.open() ──Service──▶ server.serve()
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from labsvc.health import Service
from labsvc.settings import Settings


@dataclass(frozen=True)
class Mode:
    """One mode: its name, its port when none is given, and how its service is opened and closed."""

    name: str
    summary: str
    port: int
    open: Callable[[Settings], AbstractAsyncContextManager[Service]]
