"""How many requests were open at each moment: exact from the rows, and as the roles themselves counted."""

from labdriver.lab import Model, Name
from labdriver.report import seconds
from labdriver.report.panel import GHOST_KEY, GHOST_KEY_NAME, Chart, Key, Panel, View, ghost, line
from labdriver.score import metrics

EVERY_S = 0.1  # width of a step; each shows its highest value


class InFlightParams(Model):
    roles: tuple[Name, ...] = ()


def draw(view: View, earlier: View | None, params: InFlightParams) -> Chart:
    """Open requests as seen by the callers, with each role's own gauge once a second beside it."""
    seen = _open(view)
    traces = [line("open requests", seen, "hung", step=True, fill="tozeroy", fillcolor="$hung/0.16")]
    keys = [Key("open requests, as the callers see it", "hung", "area")]
    for role in params.roles:
        gauge = [(s.t_s, s.values[f"{role}.in_flight"]) for s in view.record.samples if f"{role}.in_flight" in s.values]
        gauge = [(t_s, value) for t_s, value in gauge if 0 <= t_s <= view.end_s]
        if gauge:
            marks = line(f"{role}'s own gauge", gauge, "ink", width=1)
            marks |= {"mode": "markers", "marker": {"color": "$ink", "size": 5, "symbol": "circle-open"}}
            traces.append(marks)
            keys.append(Key(f"{role}'s own gauge", "ink", "ring"))
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


def _open(view: View) -> seconds.Points:
    return seconds.held(metrics.in_flight(view.record.rows), end_s=view.end_s, every_s=EVERY_S)


def _answer(view: View) -> str:
    peak = view.card.metrics["peak_in_flight"]
    left = view.card.metrics["hung"]
    if left:
        return f"Up to {peak:,} requests were open at once; {left:,} never closed."
    return f"Never more than {peak:,} at once, and all of them closed."


PANEL = Panel("How many requests were open at once?", InFlightParams, draw)
