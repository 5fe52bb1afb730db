"""What the sessions of the database were held up by, as `pg_stat_activity` had it: locks, and idleness."""

from labdriver.lab import Model, Name
from labdriver.report.panel import GHOST_KEY, GHOST_KEY_NAME, Chart, Key, Panel, View, ghost, line
from labdriver.report.panels import _sampled


class SessionsParams(Model):
    role: Name  # who looked


def draw(view: View, earlier: View | None, params: SessionsParams) -> Chart:
    """Sessions that wait for a lock, and sessions that hold a transaction open and do nothing in it."""
    locked_name = f"{params.role}.db_lock_waits"
    locked = _sampled.looks(view, locked_name)
    idle = _sampled.looks(view, f"{params.role}.db_idle_in_transaction")
    traces = [
        line("waiting for a lock", locked, "hung", fill="tozeroy", fillcolor="$hung/0.16"),
        line("idle in a transaction", idle, "failed", width=1.5),
    ]
    keys = [
        Key("waiting for a lock that another transaction holds", "hung", "area"),
        Key("idle in a transaction", "failed", "line"),
    ]
    top = max(_sampled.highest(locked), _sampled.highest(idle))
    if earlier is not None:
        before = _sampled.looks(earlier, locked_name)
        top = max(top, _sampled.highest(before))
        traces.insert(0, ghost(GHOST_KEY_NAME, before))
        keys.append(GHOST_KEY)
    return Chart(
        answer=_answer(locked, idle),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="sessions",
        y_range=(0, max(top * 1.15, 12)),
        height_px=170,
    )


def _answer(locked: _sampled.Looks, idle: _sampled.Looks) -> str:
    if not locked:
        return "No samples were taken."
    waits, idlers = int(_sampled.highest(locked)), int(_sampled.highest(idle))
    if not waits:
        told = "No session waited for a row that another transaction had locked"
    else:
        told = f"Up to {waits} sessions waited for a row that another transaction had locked"
    return f"{told}; {f'up to {idlers}' if idlers else 'none'} sat idle with a transaction open."


PANEL = Panel("What held the database's sessions up?", SessionsParams, draw)
