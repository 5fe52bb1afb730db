"""Two runs side by side: what changed, and how sure that is.

    before, after ──▶ figures ──▶ changes (ratio AND absolute floor AND more than sampling chance) ──▶ verdict

One pair of runs can make a change `likely`; `proved` needs three runs on each side, every after better than every
before. Floors and ratios were measured on identical runs (load.md M10, 5.13). Single requests are never tested
against each other: they are not independent, and a test that thinks so sees a change in nine of ten identical pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from labdriver.record import Record
from labdriver.score.figures import MEASURES, Figures, Measure, Value, figures

Label = Literal["proved", "likely", "within noise", "not compared"]
Verdict = Literal["improved", "worse", "same", "refused"]

PROOF_RUNS = 3  # on each side: all of 3 beat all of 3 by chance in 1 of 20; the floors do the rest
LAG_FACTOR = 20.0  # seen on a machine three times overloaded: at a lag p99 of 50 ms, p99 was 545 ms higher


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
    lag_ms = max(one.lag_p99_ms for one in (*befores, *afters))
    if refused:
        label = "not compared"
    elif _cleared(measure, old, new, lag_p99_ms=lag_ms) and _apart(measure, olds, news):
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


def _cleared(measure: Measure, old: Value, new: Value, *, lag_p99_ms: float) -> bool:
    """Ratio and absolute floor; on a busy machine times need a higher one."""
    floor = max(measure.floor, LAG_FACTOR * lag_p99_ms) if measure.unit == "ms" else measure.floor
    small, large = sorted((old.value, new.value))
    return large - small > floor and large > small * measure.ratio


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
