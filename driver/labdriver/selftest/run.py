"""Finds the checks by their names and runs them one after the other.

commands/selftest.py ──▶ run_checks ──▶ checks/<name>.py ──▶ Finding
"""

import importlib
import pkgutil
import time
from collections.abc import Sequence
from dataclasses import dataclass

from labdriver.errors import Misuse
from labdriver.selftest import checks
from labdriver.selftest.check import Check, Finding, Say
from labdriver.verbs import to_type


@dataclass(frozen=True)
class Outcome:
    """A check that was run."""

    name: str
    title: str
    finding: Finding
    took_s: float


def known() -> list[str]:
    """Names of all checks."""
    return sorted(module.name for module in pkgutil.iter_modules(checks.__path__))


def run_checks(names: Sequence[str], *, say: Say) -> tuple[Outcome, ...]:
    """Run the named checks, all of them when none is named. Raises Misuse for an unknown name."""
    chosen = list(names) or known()
    for name in chosen:
        if name not in known():
            raise Misuse(
                f"unknown check {name!r}, expected one of: {', '.join(known())}",
                next_step=to_type("selftest"),
            )
    return tuple(_run(name, say) for name in chosen)


def _run(name: str, say: Say) -> Outcome:
    check: Check = importlib.import_module(f"{checks.__name__}.{name}").CHECK
    started_s = time.monotonic()
    finding = check.run(say)
    return Outcome(name, check.title, finding, time.monotonic() - started_s)
