"""What can be read once a second: a replica, the dependency's counts, processor time of other processes.

    sampler.py ──read()──▶ Replica | Dependency | Processors ──▶ {"api.in_flight": 3.0, …}

Each source keeps what it needs between two readings, and none ever raises: what cannot be read is a figure too
(`<role>.unreachable`) or is left out.
"""

import json
import time
from collections.abc import Iterable
from typing import Protocol

import psutil

from labdriver.probe.fetch import Fetcher, Unreachable
from labdriver.probe.metrics import figures

Values = dict[str, float]


class Source(Protocol):
    def read(self, within_s: float) -> Values:
        """Figures of this moment. Does not raise, and tries to be back in time."""
        ...

    def silent(self) -> Values:
        """Figures when `read` is not back in time."""
        ...


class Replica:
    """One replica: its metrics, and its processor time (of its process if it is here, else as it tells itself)."""

    def __init__(self, role: str, url: str, pid: int | None) -> None:
        self._role = role
        self._fetcher = Fetcher(url)
        self._pid = pid
        self._cpu = Rate()

    def read(self, within_s: float) -> Values:
        try:
            found = figures(self._fetcher.get("/metrics", within_s=within_s))
        except Unreachable:
            return self.silent()
        told_cpu_s = found.pop("cpu_s", None)
        values = {f"{self._role}.{figure}": value for figure, value in found.items()}
        return values | {f"{self._role}.unreachable": 0.0, f"{self._role}.replicas_up": 1.0} | self._used(told_cpu_s)

    def silent(self) -> Values:
        return {f"{self._role}.unreachable": 1.0, f"{self._role}.replicas_up": 0.0} | self._used(None)

    def _used(self, told_cpu_s: float | None) -> Values:
        own_cpu_s = process_cpu_s(self._pid)
        used = self._cpu.per_s("told" if own_cpu_s is None else "own", told_cpu_s if own_cpu_s is None else own_cpu_s)
        return {} if used is None else {f"{self._role}.cpu_ratio": used}


class Dependency:
    """depsim's counts since its script was armed, and the phase it is in."""

    def __init__(self, url: str) -> None:
        self._fetcher = Fetcher(url)

    def read(self, within_s: float) -> Values:
        try:
            page = json.loads(self._fetcher.get("/admin/counts", within_s=within_s))
            return _counts(page)
        except (Unreachable, ValueError, TypeError, AttributeError, KeyError):
            return self.silent()

    def silent(self) -> Values:
        return {}  # its /metrics are read as a replica's, and say that it is unreachable


class Processors:
    """How busy the whole machine is (0–1), and the load child (of one core)."""

    def __init__(self, driver_pid: int | None) -> None:
        self._driver_pid = driver_pid
        self._driver = Rate()
        self._machine = Rate()

    def read(self, within_s: float) -> Values:
        busy = self._machine.per_s("own", machine_cpu_s())
        used = self._driver.per_s("own", process_cpu_s(self._driver_pid))
        values = {} if busy is None else {"machine.cpu_ratio": round(min(1.0, busy / (psutil.cpu_count() or 1)), 4)}
        return values if used is None else values | {"driver.cpu_ratio": used}

    def silent(self) -> Values:
        return {}


class Rate:
    """Growth per second of a counter that may start anew or come from another place."""

    def __init__(self) -> None:
        self._last: tuple[str, float, float] | None = None

    def per_s(self, place: str, value: float | None) -> float | None:
        """None at the first reading, after a restart, and when there is no value."""
        now_s = time.monotonic()
        last, self._last = self._last, None if value is None else (place, value, now_s)
        if value is None or last is None or last[0] != place or value < last[1] or now_s <= last[2]:
            return None
        return round((value - last[1]) / (now_s - last[2]), 4)


def process_cpu_s(pid: int | None) -> float | None:
    """Processor seconds of a process of this machine; None when there is none."""
    if pid is None:
        return None
    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return float(used.user + used.system)


def machine_cpu_s() -> float:
    """Seconds that all processors of this machine together were not idle."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def summed(parts: Iterable[Values]) -> Values:
    """One set of figures: replicas of a role add up."""
    total: Values = {}
    for part in parts:
        for key, value in part.items():
            total[key] = total.get(key, 0.0) + value
    return total


def _counts(page: dict[str, object]) -> Values:
    values: Values = {}
    operations = page["operations"]
    assert isinstance(operations, dict)
    for operation, counts in operations.items():
        for figure in ("received", "answered", "abandoned", "in_flight"):
            values[f"depsim.{figure}.{operation}"] = float(counts[figure])
        for kind, count in counts["injected"].items():
            values[f"depsim.injected.{kind}"] = values.get(f"depsim.injected.{kind}", 0.0) + float(count)
    if isinstance(page.get("phase"), str):
        values[f"depsim.phase.{page['phase']}"] = 1.0
    return values
