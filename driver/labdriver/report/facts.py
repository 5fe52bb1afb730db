"""The plain figures of a page: the four of its head, the badge of the load generator, what a reader needs to repeat it.

Text only, from record and card; knows no HTML.
"""

from dataclasses import dataclass
from typing import Any

from labdriver.record import Record
from labdriver.report import background
from labdriver.score.card import Card
from labdriver.score.metrics import told_ms
from labdriver.score.rule import percent

LAG_GREEN_MS, LAG_AMBER_MS = 2.0, 10.0


@dataclass(frozen=True)
class Tile:
    """One figure of the head, with the same of the run before."""

    name: str
    value: str
    note: str
    before: str


def tiles(card: Card, before: Card | None) -> list[Tile]:
    """Four figures that say most of it, each beside that of the run before."""

    def told(metrics: dict[str, Any]) -> list[tuple[str, str, str]]:
        n = metrics["attempted"]
        return [
            (
                "right and in time",
                percent(metrics["in_time"] / n) if n else "–",
                f"{metrics['in_time']:,} of {n:,} requests",
            ),
            ("p95 wait", told_ms(metrics, "p95"), "from the moment it was due"),
            ("never answered", f"{metrics['unfinished']:,}", "hung or unsent at the end"),
            ("most open at once", f"{metrics['peak_in_flight']:,}", "requests in flight"),
        ]

    olds = told(before.metrics) if before else [("", "", "")] * 4
    return [Tile(*new, before=old[1]) for new, old in zip(told(card.metrics), olds, strict=True)]


@dataclass(frozen=True)
class Lag:
    """How late the load generator was: the badge that says whether to trust the rest."""

    tone: str  # good, fair, poor
    text: str


def lag(record: Record) -> Lag:
    """Green below 2 ms, amber below 10 ms (p99)."""
    generator = record.head.generator
    if generator is None:
        return Lag("poor", "the load generator left no account")
    p99_ms = generator.lag_p99_ms
    tone = "good" if p99_ms < LAG_GREEN_MS else "fair" if p99_ms < LAG_AMBER_MS else "poor"
    told = {"good": "on schedule", "fair": "a little late", "poor": "late: this machine was busy"}[tone]
    return Lag(tone, f"load {told} (p99 {p99_ms:.1f} ms)")


def facts(record: Record, card: Card) -> list[tuple[str, str]]:
    """What a reader needs to repeat or doubt the run."""
    head, m = record.head, card.metrics
    counts = {name: sum(r.outcome == name for r in record.scored()) for name in ("ok", "failed", "hung", "unsent")}
    planned = f"{sum(counts.values()):,} = " + " + ".join(f"{count:,} {name}" for name, count in counts.items())
    found = [
        ("participant", head.by),
        ("run", head.run),
        ("runtime", head.runtime),
        ("seed", str(head.scenario.seed)),
        ("planned requests", f"{planned}; {len(record.rows) - sum(counts.values()):,} more in the warm-up"),
        (
            "load",
            f"{head.load_s:g} s, phases × {head.scale_ratio:g}, {head.scenario.arrivals} arrivals, ended {head.ended}",
        ),
    ]
    if m["succeeded"]:
        late = m["succeeded"] - m["in_time"]
        told = f"{m['succeeded']:,}, {late:,} of them too late; ok={m['ok_ratio']:.3f} in the score line counts both"
        found.append(("right answers", told))
    if head.generator is not None:
        g = head.generator
        found.append(
            (
                "load generator",
                f"late by {g.lag_p50_ms:.2f} ms (p50), {g.lag_p99_ms:.2f} ms (p99), {g.lag_max_ms:.1f} ms "
                f"(most); {percent(g.cpu_ratio)} of a core; paced by {g.pacing}; {g.stale_retries} sent again",
            )
        )
    if head.dependency is not None:
        d = head.dependency
        injected = ", ".join(f"{count:,} × {kind}" for kind, count in d.injected.items()) or "none"
        found.append(
            (
                "dependency",
                f"{d.calls:,} calls, warm-up included; faults injected: {injected}; "
                f"clock {d.clock_offset_ms:+.1f} ms off",
            )
        )
    business = background.of(record)
    if business.sent:
        found.append(("live business", business.told()))
    restarts = ", ".join(f"{role} × {count}" for role, count in head.stack.restarts.items() if count) or "none"
    code = ", ".join(f"{lab} {checksum}" for lab, checksum in head.stack.code.items())
    found += [("restarts under the run", restarts), ("code in service", code or "unknown")]
    found += [("time beyond the load", f"{head.overhead_s:.1f} s")]
    return found + [("note", note) for note in (*head.notes, *head.stack.notes)]
