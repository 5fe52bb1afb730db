"""How many requests were open at each moment: exact from the rows, and as the roles themselves counted."""

from collections.abc import Iterator

from labdriver.lab import Model, Name
from labdriver.report import seconds
from labdriver.report.panel import GHOST_KEY, GHOST_KEY_NAME, Chart, Key, Panel, View, ghost, line
from labdriver.report.panels import _sampled
from labdriver.score import metrics


class InFlightParams(Model):
    roles: tuple[Name, ...] = ()


def draw(view: View, earlier: View | None, params: InFlightParams) -> Chart:
    """Open requests as seen by the callers, with each role's own gauge once a second beside it."""
    seen = _open(view)
    traces = [line("open requests", seen, "hung", step=True, fill="tozeroy", fillcolor="$hung/0.16")]
    keys = [Key("open requests, as the callers see it", "hung", "area")]
    for role in params.roles:
        for name, points in _gauges(view, role):
            waits = name.startswith("waiting")
            colour, symbol = ("p99", "cross-thin") if waits else ("ink", "circle-open")
            edge = {"width": 1.2, "color": f"${colour}"}
            marks = line(name, points, colour, width=1) | {"mode": "markers"}
            marks["marker"] = {"color": f"${colour}", "size": 5, "symbol": symbol, "line": edge}
            traces.append(marks)
            keys.append(Key(name, colour, "cross" if waits else "ring"))
    drawn = list(seen)
    if earlier is not None:
        before = _open(earlier)
        drawn += before
        traces.insert(0, ghost(GHOST_KEY_NAME, before, step=True))
        keys.append(GHOST_KEY)
    top = max((value or 0 for _, value in drawn), default=0)
    return Chart(
        answer=_answer(view),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="open requests",
        y_range=(0, max(top * 1.15, 10)),
    )


def _gauges(view: View, role: str) -> Iterator[tuple[str, _sampled.Looks]]:
    """What a role counted itself once a second: its open requests, and its calls in flight by operation."""
    names = sorted({name for sample in view.record.samples for name in sample.values})
    for name in names:
        told = f"open, says {role}" if name == f"{role}.in_flight" else ""
        if name.startswith(f"{role}.calls_in_flight."):
            told = f"waiting on {name.rpartition('.')[2]}, says {role}"
        points = _sampled.looks(view, name)
        if told and any(value for _, value in points):
            yield told, points


def _open(view: View) -> seconds.Points:
    return seconds.held(metrics.in_flight(view.record.rows), end_s=view.end_s)


def _answer(view: View) -> str:
    peak = view.card.metrics["peak_in_flight"]
    left = view.card.metrics["hung"]
    if left:
        return f"Up to {peak:,} requests were open at once; {left:,} never closed."
    return f"Never more than {peak:,} at once, and all of them closed."


PANEL = Panel("How many requests were open at once?", InFlightParams, draw)
