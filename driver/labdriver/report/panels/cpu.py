"""How busy the processors were with each role, from one-second samples."""

from itertools import cycle

from labdriver.lab import Model, Name
from labdriver.report.panel import Chart, Key, Panel, View, line
from labdriver.report.panels import _sampled

BUSY_PERCENT = 80  # of one core; below it nothing waits for the processor
MACHINE = "machine.cpu_ratio"
COLOURS = ("p95", "failed", "false", "late")


class CpuParams(Model):
    roles: tuple[Name, ...]


def draw(view: View, earlier: View | None, params: CpuParams) -> Chart:
    """One line a role, in per cent of one core."""
    traces, keys, told = [], [], []
    busiest_role = 0.0
    for role, colour in zip(params.roles, cycle(COLOURS), strict=False):
        points = _percent(view, f"{role}.cpu_ratio")
        if points:
            traces.append(line(role, points, colour))
            keys.append(Key(role, colour, "line"))
            busiest = _sampled.highest(points)
            busiest_role = max(busiest_role, busiest)
            told.append(f"{role} at most {busiest:.0f} %")
    machine = _percent(view, MACHINE)
    if machine:
        traces.append(line("the whole machine, of all its cores", machine, "muted", width=1) | {"opacity": 0.8})
        keys.append(Key("the whole machine, of all its cores", "muted", "thin"))
    top = max(busiest_role, _sampled.highest(machine))
    return Chart(
        answer=_answer(told, busiest_role),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="% of a core",
        y_range=(0, max(top * 1.15, 25)),
        height_px=170,
    )


def _percent(view: View, figure: str) -> _sampled.Looks:
    return [(t_s, ratio * 100) for t_s, ratio in _sampled.looks(view, figure)]


def _answer(told: list[str], top: float) -> str:
    if not told:
        return "No samples were taken."
    return f"{'No' if top < BUSY_PERCENT else 'Perhaps'}: of one core, {', '.join(told)}."


PANEL = Panel("Was it the processor?", CpuParams, draw)
