"""The figures of a run that are told beside its score. Nothing here is judged.

attempted = succeeded + failed + unfinished. `succeeded` holds right answers, degraded ones and late ones included
(`in_time` without the late ones); `dishonest` is part of `failed`; `unfinished` is hung + unsent. Percentiles are
nearest-rank over the requests that people wait for, from the intended start; `<name>_censored`: a lower bound.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from labdriver.record import Row
from labdriver.score.evidence import Evidence, percentile, share, steps

PERCENTILES = (50, 95, 99)


def measure(evidence: Evidence) -> dict[str, Any]:
    """All figures by name. Times are whole milliseconds or None without a request; rates are per second of load."""
    record, claims = evidence.record, evidence.claims
    labels = Counter(claim.label for claim in claims)
    outcomes = Counter(claim.row.outcome for claim in claims)
    succeeded = labels["good"] + labels["degraded"]
    unfinished = outcomes["hung"] + outcomes["unsent"]
    load_s = record.head.load_s
    services = [(s, False) for claim in claims if (s := record.service_s(claim.row)) is not None]
    service = percentile(services, 95)
    calls = Counter(call.operation for call in record.calls if call.at_s >= 0)
    return {
        "attempted": len(claims),
        "succeeded": succeeded,
        "failed": len(claims) - succeeded - unfinished,
        "unfinished": unfinished,
        "hung": outcomes["hung"],
        "unsent": outcomes["unsent"],
        "in_time": sum(evidence.in_time(claim) for claim in claims),
        "degraded": labels["degraded"],
        "dishonest": labels["dishonest"],
        "ok_ratio": round(share(succeeded, len(claims)), 4),
        "rps_attempted": round(share(len(claims), load_s), 2),
        "rps_succeeded": round(share(succeeded, load_s), 2),
        **_latencies(evidence),
        "service_p95_ms": None if service is None else round(service.value_s * 1000),
        "peak_in_flight": peak_in_flight(record.rows),
        "calls": dict(sorted(calls.items())),
    }


def _latencies(evidence: Evidence) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for percent in PERCENTILES:
        found = evidence.percentile(percent)
        figures[f"p{percent}_ms"] = None if found is None else round(found.value_s * 1000)
        figures[f"p{percent}_censored"] = found is not None and found.censored
    return figures


def in_flight(rows: Iterable[Row]) -> list[tuple[float, int]]:
    """(time, requests open from then on), exact: one step a request sent or ended. Open ones never end."""
    return steps((row.sent_s, row.done_s) for row in rows if row.sent_s is not None)


def peak_in_flight(rows: Iterable[Row]) -> int:
    return max((count for _, count in in_flight(rows)), default=0)


def told_ms(metrics: dict[str, Any], name: str) -> str:
    """`p95` for people: `412 ms`, `≥ 10,250 ms`, `–` without a request."""
    value = metrics.get(f"{name}_ms")
    if value is None:
        return "–"
    return f"{'≥ ' if metrics.get(f'{name}_censored') else ''}{value:,} ms"
