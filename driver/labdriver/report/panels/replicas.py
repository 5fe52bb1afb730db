"""How many replicas were wanted and how many took requests, second by second."""

from labdriver.lab import Model, Name
from labdriver.report.panel import GHOST_KEY, GHOST_KEY_NAME, Chart, Key, Panel, View, ghost, line


class ReplicasParams(Model):
    role: Name


def draw(view: View, earlier: View | None, params: ReplicasParams) -> Chart:
    """Wanted and ready as steps, the autoscaler's most as a thin line."""
    wanted, ready, most = (
        _figure(view, f"{params.role}.{name}") for name in ("replicas_wanted", "replicas_ready", "replicas_max")
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
        before = _figure(earlier, f"{params.role}.replicas_ready")
        traces.insert(0, ghost(GHOST_KEY_NAME, before, step=True))
        keys.append(GHOST_KEY)
        drawn += before
    top = max((value or 0 for _, value in drawn), default=1)
    return Chart(
        answer=_answer(view, [value for _, value in ready if value is not None]),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="replicas",
        y_range=(0, top + 0.6),
    )


def _figure(view: View, name: str) -> list[tuple[float, float | None]]:
    return [(s.t_s, s.values[name]) for s in view.record.samples if name in s.values and 0 <= s.t_s <= view.end_s]


def _answer(view: View, ready: list[float]) -> str:
    if not ready:
        return "Nobody could tell."
    if max(ready) == min(ready):
        complaint = next((c for c in view.record.head.stack.autoscaler if c.startswith("ScalingActive")), "")
        why = f" The autoscaler: {complaint.partition(': ')[2]}." if complaint else ""
        return f"No: {ready[0]:.0f} all the time.{why}"
    return f"Yes: from {ready[0]:.0f} to {max(ready):.0f}, and {ready[-1]:.0f} at the end."


PANEL = Panel("Did the replicas grow with the load?", ReplicasParams, draw)
