"""What panels on sampled figures share: one look a second, from the start of the load to the end of the chart."""

from labdriver.report.panel import View

Looks = list[tuple[float, float]]


def looks(view: View, figure: str) -> Looks:
    """(seconds since t0, value) of every sample that holds the figure."""
    return [
        (sample.t_s, sample.values[figure])
        for sample in view.record.samples
        if figure in sample.values and 0 <= sample.t_s <= view.end_s
    ]


def in_load(view: View, points: Looks) -> Looks:
    """Those that the rules count; what settles afterwards is drawn too."""
    return [(t_s, value) for t_s, value in points if t_s < view.load_s]


def highest(points: Looks) -> float:
    return max((value for _, value in points), default=0.0)
