"""The pool of database connections of a role: how many are out, and how many callers wait for one."""

from labdriver.lab import Model, Name
from labdriver.report.panel import GHOST_KEY, GHOST_KEY_NAME, Chart, Key, Panel, View, ghost, line
from labdriver.report.panels import _sampled


class PoolParams(Model):
    role: Name


def draw(view: View, earlier: View | None, params: PoolParams) -> Chart:
    """Both figures, one look a second; an earlier run's waiting callers behind."""
    used = _sampled.looks(view, f"{params.role}.db_in_use")
    waiting = _sampled.looks(view, f"{params.role}.db_waiting")
    traces = [
        line("waiting for a connection", waiting, "hung", fill="tozeroy", fillcolor="$hung/0.16"),
        line("connections in use", used, "ink", width=1.5),
    ]
    keys = [Key("callers waiting for a connection", "hung", "area"), Key("connections in use", "ink", "line")]
    top = max(_sampled.highest(used), _sampled.highest(waiting))
    if earlier is not None:
        before = _sampled.looks(earlier, f"{params.role}.db_waiting")
        top = max(top, _sampled.highest(before))
        traces.insert(0, ghost(GHOST_KEY_NAME, before))
        keys.append(GHOST_KEY)
    return Chart(
        answer=_answer(view, used, waiting),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="connections, callers",
        y_range=(0, max(top * 1.15, 12)),
    )


def _answer(view: View, used: _sampled.Looks, waiting: _sampled.Looks) -> str:
    if not used:
        return "No samples were taken."
    most, queue = int(_sampled.highest(used)), int(_sampled.highest(waiting))
    if not queue:
        return f"Nobody waited when we looked; at most {most} of the pool's connections were in use."
    counted = _sampled.in_load(view, waiting)
    stuck = sum(value > 0 for _, value in counted)
    return f"Up to {queue:,} callers waited for one of {most} connections, in {stuck} of {len(counted)} seconds."


PANEL = Panel("Who waited for a database connection?", PoolParams, draw)
