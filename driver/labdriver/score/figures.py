"""The figures of one run that are compared with those of another, each with the span in which chance moves it.

    Record ──▶ figures() ──▶ compare.py

Spans are for sampling alone. What a busy machine adds is told by the load generator's own lag.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

from labdriver.record import Record
from labdriver.score import verdict
from labdriver.score.evidence import gather, share
from labdriver.score.metrics import peak_in_flight

SIGMAS = 4.0  # of the difference between two runs


@dataclass(frozen=True)
class Measure:
    """One figure that is compared, and what counts as a change of it."""

    key: str
    name: str
    unit: Literal["%", "ms", ""]
    better: Literal["more", "less"]
    floor: float  # absolute change needed, in the unit; for ms at least LAG_FACTOR times the load generator's lag
    ratio: float = 1.0  # and relative change needed
    decides: bool = True  # False: shown, but no verdict rests on it


MEASURES = (
    Measure("right", "right answers in time", "%", "more", floor=5),
    Measure("unanswered", "never answered", "%", "less", floor=5),
    Measure("false", "false answers", "%", "less", floor=5),
    Measure("p50", "p50 latency", "ms", "less", floor=10, ratio=1.25),
    Measure("p95", "p95 latency", "ms", "less", floor=100, ratio=2),
    Measure("p99", "p99 latency", "ms", "less", floor=100, ratio=2),
    Measure("peak", "most requests in flight", "", "less", floor=20, ratio=2, decides=False),
)


@dataclass(frozen=True)
class Value:
    """A figure of one run with the span in which chance would move it, and whether it is a lower bound."""

    value: float
    low: float
    high: float
    censored: bool = False


@dataclass(frozen=True)
class Figures:
    """What is compared of one run. `load` is everything that must be equal for a comparison to mean anything."""

    run: str
    load: dict[str, Any]
    lag_p99_ms: float  # how late this machine woke our own load generator: what it does to everybody else too
    objection: str  # why the run cannot be compared with any other, empty when it can
    values: dict[str, Value]


def figures(record: Record) -> Figures:
    """Take the figures of one run."""
    evidence = gather(record)
    count = len(evidence.claims)
    counts = {
        "right": sum(evidence.in_time(claim) for claim in evidence.claims),
        "unanswered": sum(claim.row.outcome in ("hung", "unsent") for claim in evidence.claims),
        "false": len(evidence.dishonest),
    }
    values = {key: _share(number, count) for key, number in counts.items()}
    latencies = sorted((evidence.latency_ms(c.row), c.row.done_s is None) for c in evidence.awaited)
    values |= {f"p{p}": _percentile(latencies, p) for p in (50, 95, 99)}
    peak = float(peak_in_flight(record.rows))
    values["peak"] = Value(peak, peak, peak)
    found, reason = verdict.of(record)
    generator = record.head.generator
    return Figures(
        run=record.head.run,
        load=_load(record),
        lag_p99_ms=generator.lag_p99_ms if generator else 0.0,
        objection="" if found == "VALID" else reason,
        values=values,
    )


def _load(record: Record) -> dict[str, Any]:
    scenario = record.head.scenario.model_dump(mode="json")
    same = ("seed", "arrivals", "warm_up_s", "settle_s", "phases", "requests", "clients", "books")
    return {
        "lab": record.head.lab,
        "schema": scenario["schema_version"],
        "scale": record.head.scale_ratio,
        **{name: scenario[name] for name in same},
    }


def _share(part: int, whole: int) -> Value:
    """A share in per cent. Spans of two runs that do not touch are SIGMAS standard errors of the difference apart."""
    ratio = share(part, whole)
    error = SIGMAS / math.sqrt(2) * math.sqrt(max(ratio * (1 - ratio), 1e-9) / whole) if whole else 0.0
    return Value(ratio * 100, (ratio - error) * 100, (ratio + error) * 100)


def _percentile(ordered: list[tuple[float, bool]], percent: int) -> Value:
    """Nearest rank; the span is that of the order statistics which a binomial rank reaches by chance."""
    count = len(ordered)
    if not count:
        return Value(0.0, 0.0, 0.0)
    rank = max(1, math.ceil(count * percent / 100 - 1e-9))
    spread = SIGMAS / math.sqrt(2) * math.sqrt(count * percent / 100 * (1 - percent / 100))
    low, high = max(1, math.floor(rank - spread)), min(count, math.ceil(rank + spread))
    return Value(
        ordered[rank - 1][0], ordered[low - 1][0], ordered[high - 1][0], any(open_ for _, open_ in ordered[:rank])
    )
