"""What a panel is: a question, its answer in one sentence, and a chart on the seconds of the run.

    View (+ View of an earlier run) ──▶ Panel.draw ──▶ Chart ──▶ page.py

A chart is plain data for plotly.js. Colours are names of the page's palette, written `$good` or `$good/0.2` (with
opacity), so that one chart serves light, dark and print. Knows no HTML.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic

from labdriver.lab import Phase
from labdriver.record import Record
from labdriver.score.card import Card
from labdriver.score.evidence import Claim, Evidence, Params

Trace = dict[str, Any]
Points = Iterable[tuple[float, float | None]]  # (seconds since t0, value)


@dataclass(frozen=True)
class View:
    """One run as the panels see it."""

    evidence: Evidence
    card: Card

    @property
    def record(self) -> Record:
        return self.evidence.record

    @property
    def load_s(self) -> float:
        return self.record.head.load_s

    @property
    def end_s(self) -> float:
        """Where the charts end: the last request closed, never before the load's end."""
        return max(self.record.head.end_s, self.load_s, 1.0)

    def spans(self, kinds: Iterable[str], *, skip_s: float = 0) -> list[tuple[Phase, float, float]]:
        """Phases of these kinds, each with the seconds from which and to which a rule looks at it."""
        phases, wanted = self.record.head.scenario.phases, set(kinds)
        starts = zip(phases, self.evidence.phase_starts_s, strict=False)
        return [(p, start_s + skip_s, start_s + p.duration_s) for p, start_s in starts if p.kind in wanted]


@dataclass(frozen=True)
class Target:
    """A line to be reached or kept under; over a span of seconds, or over the whole chart."""

    value: float
    text: str
    from_s: float | None = None
    to_s: float | None = None


@dataclass(frozen=True)
class Key:
    """One entry of a chart's legend."""

    name: str
    colour: str  # a name of the palette, without `$`
    shape: str  # line, thin, dash, dot-line, area, hatch, dot, ring, cross


@dataclass(frozen=True)
class Chart:
    answer: str  # one sentence, read from the data
    traces: tuple[Trace, ...]
    keys: tuple[Key, ...]
    unit: str  # of the y axis, in words
    log: bool = False
    y_range: tuple[float, float] | None = None  # in the axis's own unit, also on a log axis
    targets: tuple[Target, ...] = ()
    stacked: bool = False  # bars on top of each other
    hover: str = "x unified"
    height_px: int = 220


@dataclass(frozen=True)
class Panel(Generic[Params]):
    question: str
    params: type[Params]
    draw: Callable[[View, View | None, Params], Chart] = field(repr=False)


def line(name: str, points: Points, colour: str, *, width: float = 2, step: bool = False, **more: Any) -> Trace:
    """A line through points; None breaks it. `step`: each value holds up to the next point."""
    xs, ys = _columns(points)
    style = {"color": f"${colour}", "width": width, "shape": "hv" if step else "linear"}
    return {"type": "scatter", "mode": "lines", "name": name, "x": xs, "y": ys, "line": style, **more}


def ghost(name: str, points: Points, *, step: bool = False) -> Trace:
    """The same of an earlier run: thin and dashed (longer than plotly's dots of 3 px), behind everything."""
    trace = line(name, points, "ghost", width=1.5, step=step)
    trace["line"]["dash"] = "9px,4px"
    return trace


def bars(name: str, points: Points, colour: str, *, hatch: bool = False) -> Trace:
    """Bars one second wide; the points name the start of their second."""
    xs, ys = _columns(points)
    marker: dict[str, Any] = {"color": f"${colour}"}
    if hatch:
        marker["pattern"] = {"shape": "/", "size": 5, "fgcolor": "$paper", "fillmode": "overlay", "solidity": 0.25}
    return {"type": "bar", "name": name, "x": xs, "y": ys, "width": 0.92, "offset": 0.04, "marker": marker}


def dots(view: View, claims: Iterable[Claim], name: str, colour: str, *, size: float, opacity: float) -> Trace:
    """Requests as single points at how long they took, with their number and what the books say of them."""
    some = list(claims)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [round(c.row.intended_s, 2) for c in some],
        "y": [float(f"{max(view.evidence.latency_ms(c.row), 0.1):.4g}") for c in some],
        "text": [f"#{c.row.seq} {c.why}".strip() for c in some],
        "hovertemplate": "%{text}<br>due at %{x:.2f} s, %{y:,.0f} ms<extra>" + name + "</extra>",
        "marker": {"color": f"${colour}/{opacity:g}", "size": size},
    }


GHOST_KEY_NAME = "best earlier run"
GHOST_KEY = Key(GHOST_KEY_NAME, "ghost", "dash")


def _columns(points: Points) -> tuple[list[float], list[float | None]]:
    xs: list[float] = []
    ys: list[float | None] = []
    for x, y in points:
        xs.append(round(x, 3))
        ys.append(None if y is None or not math.isfinite(y) else float(f"{y:.4g}"))
    return xs, ys
