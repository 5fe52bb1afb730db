"""Picks the wanted figures out of a page of Prometheus text, by hand: a full parser costs some 50 times as much.

Pure. The names on the left are the services' contract (services/README.md), those on the right are what the record
calls them.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Wanted:
    """How one metric is kept: as `figure`, or as `figure.<value of label>`; series are summed up."""

    figure: str
    label: str = ""


WANTED = {
    "labsvc_requests_in_flight": Wanted("in_flight"),
    "labsvc_requests_total": Wanted("responses", label="status"),
    "labsvc_dependency_calls_in_flight": Wanted("calls_in_flight", label="operation"),
    "labsvc_db_pool_in_use": Wanted("db_in_use"),
    "labsvc_db_pool_waiting": Wanted("db_waiting"),
    "labsvc_db_longest_transaction_seconds": Wanted("db_longest_transaction_s"),
    "labsvc_db_lock_waits": Wanted("db_lock_waits"),
    "labsvc_db_idle_in_transaction": Wanted("db_idle_in_transaction"),
    "labsvc_cpu_seconds_total": Wanted("cpu_s"),
    "labsvc_background_requests_in_flight": Wanted("background_in_flight"),
    "labsvc_background_requests_total": Wanted("background_responses", label="status"),
    "labsvc_background_request_seconds_sum": Wanted("background_s"),
    "labsvc_maintenance_left_seconds": Wanted("maintenance_left_s"),
    "labsvc_maintenance_refused_total": Wanted("maintenance_refused"),
}

_LINE = re.compile(r"^(labsvc_\w+)(?:\{(.*)\})? (\S+)(?: \d+)?$", re.MULTILINE)


def figures(page: str) -> dict[str, float]:
    """Wanted figures of one replica's `/metrics`. Lines that are no numbers are left out."""
    found: dict[str, float] = {}
    for name, labels, number in _LINE.findall(page):
        wanted = WANTED.get(name)
        if wanted is None:
            continue
        value = _number(number)
        key = wanted.figure if not wanted.label else f"{wanted.figure}.{_label(labels, wanted.label)}"
        if value is not None:
            found[key] = found.get(key, 0.0) + value
    return found


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) != float("inf") and value == value else None


def _label(labels: str, name: str) -> str:
    match = re.search(rf'(?:^|,)\s*{name}="((?:[^"\\]|\\.)*)"', labels)
    return match[1] if match else "unknown"
