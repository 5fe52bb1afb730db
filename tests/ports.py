"""Ports for the stacks of tests: no two test processes have one in common, and the system gives none of them away.

A stack that goes down and comes up again leaves its ports for a moment. One from `bind(0)` could meanwhile be given to
any server of the tests beside it.
"""

import os
from collections.abc import Iterable

from labdriver.settings import DEFAULT_PORTS
from labdriver.stack.local import ports

SLICES = 8  # test processes that may run at once
EACH = len(ports.APART) // SLICES


def free_ports(roles: Iterable[str] = DEFAULT_PORTS) -> dict[str, int]:
    """Role → a port that nobody has now and that no other test process asks for."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return ports.free(roles, among=ports.APART[worker % SLICES * EACH :][:EACH])
