"""What the dependency was asked and what it did, from its own ledger."""

from collections import Counter
from itertools import cycle

from labdriver.lab import Model, Name
from labdriver.record import Call
from labdriver.report.panel import Chart, Key, Panel, View, bars

KNOWN = {"answered": "good", "hang": "hung", "error": "failed", "drop": "false", "trickle": "failed-2", "slow": "late"}
TOLD = {
    "answered": "answered",
    "abandoned": "the caller left first",
    "in_flight": "still at work",
    "hang": "hung",
    "error": "failed",
    "drop": "cut off",
    "trickle": "trickled",
    "slow": "slowed",
}
OTHERS = ("failed-3", "late", "unsent")


class DependencyParams(Model):
    operation: Name


def draw(view: View, earlier: View | None, params: DependencyParams) -> Chart:
    """Stacked bars of calls by the second in which they arrived, one colour for each way they ended."""
    calls = [c for c in view.record.calls if c.operation == params.operation and 0 <= c.at_s <= view.end_s]
    counts = Counter(call.outcome for call in calls)
    others = cycle(OTHERS)
    kinds = sorted(counts, key=lambda kind: _order(kind, counts[kind]))
    colours = {kind: KNOWN.get(kind) or ("muted" if kind == "abandoned" else next(others)) for kind in kinds}
    traces = [bars(TOLD.get(k, k), _per_second(calls, k), colours[k], hatch=k == "hang") for k in kinds]
    keys = [Key(f"{TOLD.get(k, k)} ({counts[k]:,})", colours[k], "hatch" if k == "hang" else "area") for k in kinds]
    return Chart(
        answer=_answer(view, counts, operation=params.operation),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="calls / s",
        stacked=True,
    )


def _order(kind: str, count: int) -> tuple[bool, bool, int, str]:
    """Answered at the bottom, then the faults by size, what the dependency is not to blame for on top."""
    return kind != "answered", kind in ("abandoned", "in_flight"), -count, kind


def _per_second(calls: list[Call], outcome: str) -> list[tuple[float, float | None]]:
    found = Counter(int(call.at_s) for call in calls if call.outcome == outcome)
    return [(float(second), float(count)) for second, count in sorted(found.items())]


def _answer(view: View, counts: Counter[str], *, operation: str) -> str:
    total = sum(counts.values())
    if not total:
        return f"{operation} was never called."
    spoilt = [
        (k, n)
        for k, n in sorted(counts.items(), key=lambda item: _order(*item))
        if k not in ("answered", "abandoned", "in_flight")
    ]
    told = f"{operation} got {total:,} calls for {view.card.metrics['attempted']:,} requests"
    if spoilt:
        told += " and spoilt " + ", ".join(f"{count:,} ({TOLD.get(kind, kind)})" for kind, count in spoilt)
    return f"{told}."


PANEL = Panel("What did the dependency do?", DependencyParams, draw)
