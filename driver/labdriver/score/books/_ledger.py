"""What books share: the dependency's answers by their reference, and what a request asked for.

A claim is an answer with a status below 400. It is right when one recorded call says the same, for the same key, at a
time that fits. Books differ in what they compare; they all start here.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote

from labdriver.lab import Request
from labdriver.record import Call, Record, Row

_PLACE = re.compile(r"\{([a-z][a-z0-9_-]*)\}")

ABANDONED = "abandoned"  # outcome of a call whose caller left first
IN_FLIGHT = "in_flight"  # outcome of a call that had not ended

SLACK_S = 0.25  # clocks and scheduling: how much later than its request's end an answer may stand in the ledger


def by_reference(calls: Iterable[Call], *, operation: str, reference: str) -> dict[str, Call]:
    """Calls of `operation` that were answered whole, by the value of `reference` in their answer."""
    return {
        call.answer[reference]: call
        for call in calls
        if call.operation == operation and call.answer is not None and isinstance(call.answer.get(reference), str)
    }


def answered_at_s(call: Call) -> float:
    return call.done_s if call.done_s is not None else call.at_s


def pattern(request: Request) -> re.Pattern[str]:
    """What the targets of a request look like: `/quotes/{sku}` becomes a pattern with the group `sku`."""
    parts = _PLACE.split(request.path)
    return re.compile(
        "".join(re.escape(p) if i % 2 == 0 else f"(?P<{p.replace('-', '_')}>[^/?&]+)" for i, p in enumerate(parts))
    )


def place(path: re.Pattern[str], target: str, name: str) -> str:
    """What a target has in the place `name`; empty when it has none."""
    found = path.fullmatch(target)
    return unquote(found.groupdict().get(name, "")) if found else ""


def no_answer(record: Record, row: Row) -> str:
    """Why a row carries no claim, in a few words; empty when it does."""
    if row.outcome == "unsent":
        return "never sent"
    if row.outcome == "hung":
        return f"no answer within {record.latency_s(row):.1f} s"
    if row.outcome == "failed":
        return f"no answer: {row.error}" if row.error else f"answered {row.status}"
    return ""
