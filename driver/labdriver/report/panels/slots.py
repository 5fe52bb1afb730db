"""Which kinds of jobs held the worker's slots, as the database recorded it: from the work's beginning to its end."""

from pydantic import Field

from labdriver.lab import Model, Name
from labdriver.report import seconds
from labdriver.report.panel import Chart, Key, Panel, Target, View, line
from labdriver.report.panels import _kinds
from labdriver.score import jobs


class SlotsParams(Model):
    kinds: tuple[Name, ...] = Field(min_length=1)
    room: int = Field(ge=1)  # jobs at once that the worker has room for


def draw(view: View, earlier: View | None, params: SlotsParams) -> Chart:
    """Areas on top of each other, the last kind at the bottom."""
    traces, keys = [], []
    for index, (kind, colour) in enumerate(_kinds.coloured(params.kinds)):
        busy = _running(view, params.kinds[index:])  # this kind and all those below it
        traces.append(line(kind, busy, colour, width=1, step=True, fill="tozeroy", fillcolor=f"${colour}/0.75"))
        traces[-1]["hoverinfo"] = "skip"
        keys.append(Key(kind, colour, "area"))
    most = max((value or 0 for _, value in _running(view, params.kinds)), default=0)
    return Chart(
        answer=_answer(view, params),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="slots in use",
        y_range=(0, max(most, params.room) * 1.15),
        targets=(Target(params.room, f"room for {params.room}"),),
    )


def _running(view: View, kinds: tuple[str, ...]) -> seconds.Points:
    known = [job for job in jobs.of(view.record).values() if job.kind in kinds]
    return seconds.held(jobs.running(known), end_s=view.end_s)


def _answer(view: View, params: SlotsParams) -> str:
    known = jobs.of(view.record).values()
    most = max((count for _, count in jobs.running(known)), default=0)
    told = []
    for kind in params.kinds:
        own = max((count for _, count in jobs.running(job for job in known if job.kind == kind)), default=0)
        told.append(f"{kind} at most {own}")
    over = f" There is room for {params.room}." if most > params.room else ""
    return f"Up to {most} jobs ran at once: {', '.join(told)}.{over}"


PANEL = Panel("Who held the slots?", SlotsParams, draw)
