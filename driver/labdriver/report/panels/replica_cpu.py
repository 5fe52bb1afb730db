"""Processor use of a replica against what it asked for: the figure that an autoscaler goes by."""

from labdriver.lab import Model, Name
from labdriver.report.panel import Chart, Key, Panel, Target, View, line
from labdriver.report.panels import _sampled

MILLI = 1000


class ReplicaCpuParams(Model):
    role: Name


def draw(view: View, earlier: View | None, params: ReplicaCpuParams) -> Chart:
    """Mean and busiest replica in millicores, request and limit as lines."""
    mean, busiest = (_millicores(view, f"{params.role}.{name}") for name in ("replica_cores", "busiest_cores"))
    traces = [
        line("busiest replica", busiest, "late", width=1.5),
        line("mean of the replicas", mean, "p95", width=2.5),
    ]
    keys = [Key("mean of the replicas", "p95", "line"), Key("busiest replica", "late", "line")]
    bounds = {
        word: _millicores(view, f"{params.role}.{name}")
        for word, name in (("asked for", "request_cores"), ("limit", "limit_cores"))
    }
    targets = tuple(Target(points[0][1], f"{word}: {points[0][1]:.0f}m") for word, points in bounds.items() if points)
    top = max([value for _, value in (*mean, *busiest)] + [target.value for target in targets], default=100.0)
    return Chart(
        answer=_answer(mean, bounds["asked for"]),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="thousandths of a core",
        y_range=(0, top * 1.15),
        targets=targets,
    )


def _millicores(view: View, name: str) -> _sampled.Looks:
    return [(t_s, cores * MILLI) for t_s, cores in _sampled.looks(view, name)]


def _answer(mean: _sampled.Looks, asked: _sampled.Looks) -> str:
    if not mean:
        return "Nobody could tell."
    most = _sampled.highest(mean)
    if not asked:
        return f"Up to {most:.0f}m each, and nobody knows of how much: the container asks for no processor."
    return f"Up to {most:.0f}m each, {most / asked[0][1] * 100:.0f} % of what a replica asks for."


PANEL = Panel("How much processor did each replica use?", ReplicaCpuParams, draw)
