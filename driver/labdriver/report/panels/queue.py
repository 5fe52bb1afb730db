"""How many accepted jobs waited for a slot, each kind apart, as the database recorded it."""

from pydantic import Field

from labdriver.lab import Model, Name
from labdriver.report import seconds
from labdriver.report.panel import GHOST_KEY, GHOST_KEY_NAME, Chart, Key, Panel, View, ghost, line
from labdriver.report.panels import _kinds
from labdriver.score import jobs


class QueueParams(Model):
    kinds: tuple[Name, ...] = Field(min_length=1)


def draw(view: View, earlier: View | None, params: QueueParams) -> Chart:
    """One line a kind; of an earlier run, the queue of the first kind."""
    waits = {kind: _waiting(view, kind) for kind in params.kinds}
    traces = [
        line(f"{kind} jobs waiting", waits[kind], colour, step=True, fill="tozeroy", fillcolor=f"${colour}/0.14")
        for kind, colour in _kinds.coloured(params.kinds)
    ]
    keys = [Key(f"{kind} jobs waiting", colour, "area") for kind, colour in _kinds.coloured(params.kinds)]
    shown = list(waits.values())
    if earlier is not None:
        shown.append(_waiting(earlier, params.kinds[0]))
        traces.insert(0, ghost(f"{params.kinds[0]}, {GHOST_KEY_NAME}", shown[-1], step=True))
        keys.append(GHOST_KEY)
    return Chart(
        answer=_answer(waits),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="jobs waiting",
        y_range=(0, max(10.0, max(map(_highest, shown)) * 1.15)),
    )


def _waiting(view: View, kind: str) -> seconds.Points:
    known = [job for job in jobs.of(view.record).values() if job.kind == kind]
    return seconds.held(jobs.waiting(known), end_s=view.end_s)


def _highest(points: seconds.Points) -> float:
    return max((value or 0 for _, value in points), default=0)


def _answer(waits: dict[str, seconds.Points]) -> str:
    most = ", ".join(f"up to {_highest(points):.0f} {kind}" for kind, points in waits.items())
    left = ", ".join(f"{points[-1][1]:.0f} {kind}" for kind, points in waits.items() if points and points[-1][1])
    return f"{most[:1].upper()}{most[1:]} jobs waited at once" + (f"; at the end still {left}." if left else ".")


PANEL = Panel("Who waited for a slot?", QueueParams, draw)
