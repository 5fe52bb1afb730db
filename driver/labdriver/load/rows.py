"""From the plan and the child's spool to rows, and the check that nothing was lost on the way.

planned = ok + failed + hung + unsent holds for every load, however it ended. A request that was never sent is
unsent, one that was sent and not answered is hung. Pure; `drive.py` calls it when the child has ended.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from labdriver.errors import LabError
from labdriver.load import spool
from labdriver.load.plan import Plan
from labdriver.record import Generator, Outcome, Row


def build(plan: Plan, spooled: bytes, *, t0_mono_s: float) -> tuple[Row, ...]:
    """One row for each planned request, in the order of the plan. Raises LabError when the spool is damaged."""
    try:
        entries = spool.read(spooled)
    except ValueError as error:
        raise LabError(f"the load process left a damaged account: {error}", next_step="run it again") from error
    strangers = [seq for seq in entries if seq >= len(plan)]
    if strangers:
        raise LabError(f"the load process sent request {strangers[0]}, which nobody planned", next_step="run it again")
    return tuple(_row(plan, seq, entries.get(seq), t0_mono_s) for seq in range(len(plan)))


def check(rows: Sequence[Row], *, planned: int, told: dict[str, Any] | None) -> None:
    """Hold planned = ok + failed + hung + unsent, and the child's own counts where it lived to tell them.

    Raises LabError with both accounts.
    """
    counts: Counter[str] = Counter(row.outcome for row in rows)
    if sum(counts.values()) != planned:
        raise LabError(f"{planned} requests were planned, {dict(counts)} accounted for", next_step="run it again")
    if told is None:
        return
    claimed = {name: told[name] for name in ("ok", "failed", "hung", "unsent")}
    if any(claimed[name] != counts[name] for name in claimed):
        raise LabError(f"the load process counted {claimed}, its rows say {dict(counts)}", next_step="run it again")


def generator(rows: Sequence[Row], health: dict[str, Any]) -> Generator | None:
    """How well the scored load was sent; over the warm-up when nothing scored was sent. None: nothing was sent."""
    sent = [row for row in rows if row.sent_s is not None]
    lags = sorted((row.sent_s - row.intended_s) * 1e3 for row in sent if row.phase >= 0 and row.sent_s is not None)
    lags = lags or sorted((row.sent_s - row.intended_s) * 1e3 for row in sent if row.sent_s is not None)
    if not lags or not health:
        return None
    return Generator(
        lag_p50_ms=round(percentile(lags, 50), 3),
        lag_p99_ms=round(percentile(lags, 99), 3),
        lag_max_ms=round(lags[-1], 3),
        cpu_ratio=health.get("cpu_ratio", 0.0),
        pacing=health["pacing"],
        stale_retries=health.get("stale_retries", 0),
    )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Nearest-rank percentile of values in ascending order: the smallest that `percent` of them do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _row(plan: Plan, seq: int, entry: spool.Entry | None, t0_mono_s: float) -> Row:
    outcome, error = _outcome(entry)
    done_s = entry.done_mono_s - t0_mono_s if entry and entry.done_mono_s is not None else None
    return Row(
        seq=seq,
        phase=plan.phase[seq],
        request=plan.request[seq],
        client=plan.client[seq],
        target=plan.target[seq],
        intended_s=plan.intended_s[seq],
        sent_s=entry.sent_mono_s - t0_mono_s if entry else None,
        done_s=done_s,
        outcome=outcome,
        status=entry.status if entry else 0,
        error=error,
        body=_json_object(entry.body) if entry else None,
    )


def _outcome(entry: spool.Entry | None) -> tuple[Outcome, str]:
    if entry is None:
        return "unsent", "unsent"
    if entry.done_mono_s is None:
        return "hung", "hung"
    if entry.error or entry.status >= 400:
        return "failed", entry.error
    return "ok", ""


def _json_object(body: bytes) -> dict[str, Any] | None:
    if not body.startswith(b"{"):
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
