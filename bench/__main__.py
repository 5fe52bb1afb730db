"""`python -m bench [NAME ...]`: runs the benches and prints each figure with its target and its method.

A bench is a module of this folder that exports BENCH (kit.py). Exit code 1 when a target was missed, 2 for an
unknown name. Figures on a shared machine move: the load average before and after stands beside them.
"""

import importlib
import os
import pkgutil
import sys
import time

import bench
from bench.kit import Bench, Result


def find() -> dict[str, Bench]:
    """All benches by name."""
    found: dict[str, Bench] = {}
    for module in pkgutil.iter_modules(bench.__path__):
        if not module.name.startswith("_"):
            made = getattr(importlib.import_module(f"bench.{module.name}"), "BENCH", None)
            if made is not None:
                found[module.name] = made
    return found


def main(names: list[str]) -> int:
    """Run the named benches, or all."""
    known = find()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"unknown bench {unknown[0]!r}, expected one of: {', '.join(known)}", file=sys.stderr)
        return 2
    results: list[Result] = []
    for name in names or known:
        print(f"== {name}: {known[name].title} (load average {os.getloadavg()[0]:.1f})", flush=True)
        started_s = time.monotonic()
        for result in known[name].run(lambda text: print(f"   … {text}", file=sys.stderr, flush=True)):
            results.append(result)
            print(told(result), flush=True)
        print(f"== {name}: {time.monotonic() - started_s:.0f} s (load average {os.getloadavg()[0]:.1f})", flush=True)
    return 1 if any(result.holds is False for result in results) else 0


def told(result: Result) -> str:
    """Two lines: verdict, figure, target; the method."""
    word = {True: "ok", False: "MISSED", None: "-"}[result.holds]
    number = "skipped"
    if result.value is not None:
        number = f"{result.value:,.0f}" if result.value >= 1000 else f"{result.value:.4g}"
    value = f"{number} {result.unit}".strip()
    return f"{word:<7}{result.name:<44}{value:>14}  {result.target}\n       {result.method}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
