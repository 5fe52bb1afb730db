"""Asks one process over its private port how it is. The only reader of `/readyz` in the local runtime."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labdriver.stack.local.ports import HOST

ANSWER_S = 2.0  # a service looks at its database for up to a second before it says how it is


@dataclass(frozen=True)
class Health:
    """What `/readyz` said."""

    ready: bool
    pid: int
    missing: tuple[str, ...]
    labs: Mapping[str, Mapping[str, str | None]]  # lab → {"code", "error"}

    def broken(self) -> dict[str, str]:
        """Labs that did not load, and why."""
        return {lab: str(told["error"]) for lab, told in self.labs.items() if told["error"]}


def ask(port: int, *, timeout_s: float = ANSWER_S) -> Health | None:
    """How the process on a private port is; None when it does not answer in time."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", "/readyz")
        told: dict[str, Any] = json.loads(connection.getresponse().read())
        return Health(bool(told["ready"]), int(told["pid"]), tuple(told["missing"]), told["labs"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()
