"""How many replicas were wanted and how many took requests, second by second."""

from labdriver.lab import Model, Name
from labdriver.report.panel import GHOST_KEY, GHOST_KEY_NAME, Chart, Key, Panel, View, ghost, line
from labdriver.report.panels import _sampled


class ReplicasParams(Model):
    role: Name


def draw(view: View, earlier: View | None, params: ReplicasParams) -> Chart:
    """Wanted and ready as steps, the autoscaler's most as a thin line."""
    wanted, ready, most = (
        _sampled.looks(view, f"{params.role}.{name}") for name in ("replicas_wanted", "replicas_ready", "replicas_max")
    )
    traces = [
        line("take requests", ready, "good", step=True, fill="tozeroy", fillcolor="$good/0.28"),
        line("wanted", wanted, "ink", width=1.5, step=True),
    ]
    keys = [Key("wanted", "ink", "line"), Key("take requests", "good", "area")]
    if most:
        limit = line("the autoscaler's most", most, "muted", width=1, step=True)
        limit["line"]["dash"] = "dot"
        traces.append(limit)
        keys.append(Key("the autoscaler's most", "muted", "dot-line"))
    drawn = [*wanted, *ready, *most]
    if earlier is not None:
        before = _sampled.looks(earlier, f"{params.role}.replicas_ready")
        traces.insert(0, ghost(GHOST_KEY_NAME, before, step=True))
        keys.append(GHOST_KEY)
        drawn += before
    top = _sampled.highest(drawn)
    return Chart(
        answer=_answer(view, [value for _, value in ready]),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="replicas",
        y_range=(0, max(top, 3) + 0.6),
    )


def _answer(view: View, ready: list[float]) -> str:
    if not ready:
        return "Nobody could tell."
    if max(ready) == min(ready):
        complaint = view.record.head.stack.complaint
        why = f" The autoscaler: {complaint}." if complaint else ""
        return f"No: {ready[0]:.0f} all the time.{why}"
    return f"Yes: from {ready[0]:.0f} to {max(ready):.0f}, and {ready[-1]:.0f} at the end."


PANEL = Panel("Did the replicas grow with the load?", ReplicasParams, draw)
