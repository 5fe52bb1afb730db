"""Two runs side by side: what changed, and how sure that is.

    before, after ──▶ figures ──▶ changes (ratio AND absolute floor AND more than sampling chance) ──▶ verdict

One pair of runs can make a change `likely`; `proved` needs three runs on each side, every after better than every
before. Floors and ratios were measured on identical runs (load.md M10, 5.13). Single requests are never tested
against each other: they are not independent, and a test that thinks so sees a change in nine of ten identical pairs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from labdriver.record import Record
from labdriver.score import verdict
from labdriver.score.evidence import gather, share
from labdriver.score.metrics import peak_in_flight

Label = Literal["proved", "likely", "within noise", "not compared"]
Verdict = Literal["improved", "worse", "same", "refused"]

PROOF_RUNS = 3  # on each side: all of 3 beat all of 3 by chance in 1 of 20; the floors do the rest
SIGMAS = 4.0


@dataclass(frozen=True)
class Measure:
    """One figure that is compared, and what counts as a change of it."""

    key: str
    name: str
    unit: Literal["%", "ms", ""]
    better: Literal["more", "less"]
    floor: float  # absolute change needed, in the unit
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
    objection: str  # why the run cannot be compared with any other, empty when it can
    values: dict[str, Value]


@dataclass(frozen=True)
class MetricChange:
    name: str
    unit: str
    before: float
    after: float
    before_text: str
    after_text: str
    change_text: str
    label: Label
    direction: Literal["better", "worse", ""]  # empty when within noise


@dataclass(frozen=True)
class Comparison:
    verdict: Verdict
    reason: str
    rows: tuple[MetricChange, ...]


def compare(before: Record, after: Record) -> Comparison:
    """Compare one pair of runs; at best `likely`."""
    return compare_groups([before], [after])


def compare_groups(befores: Sequence[Record], afters: Sequence[Record]) -> Comparison:
    """Compare two groups of runs by their medians; `proved` with three on each side. Both need at least one."""
    return compare_figures([figures(r) for r in befores], [figures(r) for r in afters])


def compare_figures(befores: Sequence[Figures], afters: Sequence[Figures]) -> Comparison:
    """The same for figures taken earlier."""
    refused = _refusal(befores, afters)
    rows = tuple(_change(measure, befores, afters, refused=bool(refused)) for measure in MEASURES)
    if refused:
        return Comparison("refused", refused, rows)
    return Comparison(*_verdict(rows), rows)


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
    latencies = sorted((evidence.latency_ms(c.row), c.row.done_s is None) for c in evidence.claims)
    values |= {f"p{p}": _percentile(latencies, p) for p in (50, 95, 99)}
    peak = float(peak_in_flight(record.rows))
    values["peak"] = Value(peak, peak, peak)
    found, reason = verdict.of(record)
    return Figures(record.head.run, _load(record), "" if found == "VALID" else reason, values)


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


def _refusal(befores: Sequence[Figures], afters: Sequence[Figures]) -> str:
    """Why these runs must not be compared, empty when they may."""
    runs = [*befores, *afters]
    for one in runs:
        if one.objection:
            return f"run {one.run} is INVALID ({one.objection})"
    first = runs[0].load
    for other in runs[1:]:
        different = [name for name in first if first[name] != other.load.get(name)]
        if different:
            return f"not the same load, it differs in: {', '.join(different)}"
    return ""


def _change(measure: Measure, befores: Sequence[Figures], afters: Sequence[Figures], *, refused: bool) -> MetricChange:
    olds, news = [f.values[measure.key] for f in befores], [f.values[measure.key] for f in afters]
    old, new = _middle(olds), _middle(news)
    label: Label = "within noise"
    if refused:
        label = "not compared"
    elif _cleared(measure, old, new) and _apart(measure, olds, news):
        label = "proved" if min(len(olds), len(news)) >= PROOF_RUNS else "likely"
    direction: Literal["better", "worse", ""] = ""
    if label in ("proved", "likely"):
        direction = "better" if (new.value > old.value) == (measure.better == "more") else "worse"
    return MetricChange(
        name=measure.name,
        unit=measure.unit,
        before=old.value,
        after=new.value,
        before_text=told(old, measure.unit),
        after_text=told(new, measure.unit),
        change_text=_told_change(measure, old, new),
        label=label,
        direction=direction,
    )


def _middle(values: Sequence[Value]) -> Value:
    """The median run; of one run, that run."""
    if len(values) == 1:
        return values[0]
    return Value(
        median(v.value for v in values),
        median(v.low for v in values),
        median(v.high for v in values),
        any(v.censored for v in values),
    )


def _cleared(measure: Measure, old: Value, new: Value) -> bool:
    """Ratio and absolute floor."""
    small, large = sorted((old.value, new.value))
    return large - small > measure.floor and large > small * measure.ratio


def _apart(measure: Measure, olds: Sequence[Value], news: Sequence[Value]) -> bool:
    """One pair: apart by more than sampling chance. Three and more: every after on the same side of every before."""
    if min(len(olds), len(news)) >= PROOF_RUNS:
        return max(v.value for v in olds) < min(v.value for v in news) or max(v.value for v in news) < min(
            v.value for v in olds
        )
    old, new = _middle(olds), _middle(news)
    return old.high < new.low or new.high < old.low


def _verdict(rows: Sequence[MetricChange]) -> tuple[Verdict, str]:
    """What users get decides: shares of answers first, then how long they wait."""
    decides = {measure.name for measure in MEASURES if measure.decides}
    shares = {measure.name for measure in MEASURES if measure.decides and measure.unit == "%"}
    moved = [row for row in rows if row.name in decides and row.direction]
    if not moved:
        return "same", "no figure moved by more than noise"
    leading = [row for row in moved if row.name in shares] or moved
    told_rows = ", ".join(f"{row.name} {row.before_text} → {row.after_text} ({row.label})" for row in leading)
    worse = [row for row in leading if row.direction == "worse"]
    better = [row for row in leading if row.direction == "better"]
    if worse and better:
        right = next((row for row in leading if row.name == MEASURES[0].name), None)
        if right is None:
            return "same", f"some got better, some worse: {told_rows}"
        return ("improved" if right.direction == "better" else "worse"), told_rows
    return ("worse" if worse else "improved"), told_rows


def told(value: Value, unit: str) -> str:
    """A figure for people: `84.0 %`, `≥ 16,010 ms`, `531`."""
    number = f"{value.value:.1f}" if unit == "%" else f"{value.value:,.0f}"
    return f"{'≥ ' if value.censored else ''}{number}{f' {unit}' if unit else ''}"


def _told_change(measure: Measure, old: Value, new: Value) -> str:
    """`+49.0 points`, `÷ 32`, `× 1.4`; `=` when nothing can be seen."""
    difference = new.value - old.value
    sign = "+" if difference > 0 else "−"
    if measure.unit == "%":
        return f"{sign}{abs(difference):.1f} points" if abs(difference) >= 0.05 else "="
    small, large = sorted((old.value, new.value))
    if small <= 0 or large / small < 1.05:
        return (
            "=" if abs(difference) < 1 else f"{sign}{abs(difference):,.0f}{f' {measure.unit}' if measure.unit else ''}"
        )
    factor = large / small
    return f"{'×' if difference > 0 else '÷'} {factor:{',.0f' if factor >= 10 else '.1f'}}"
