"""Rows by the second in which they were due: what most panels draw.

By the intended second, so that a stall shows where it began. Percentiles are taken within one second from its rows,
never averaged across seconds.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from labdriver.report.panel import View
from labdriver.score.evidence import Claim, percentile

Item = TypeVar("Item")
Points = list[tuple[float, float | None]]

HELD_S = 0.1  # width of a step of `held`


def by_second(view: View) -> list[list[Claim]]:
    """Scored claims by the second they were due in, from second 0 to the end of the load."""
    count = max(1, math.ceil(view.load_s - 1e-9))
    seconds: list[list[Claim]] = [[] for _ in range(count)]
    for claim in view.evidence.claims:
        seconds[min(count - 1, int(claim.row.intended_s))].append(claim)
    return seconds


def rate(view: View, counts: Callable[[Claim], bool]) -> Points:
    """How many claims a second for which `counts` holds, as steps; a last second cut short is scaled up."""
    points: Points = []
    for second, claims in enumerate(by_second(view)):
        width_s = min(1.0, max(view.load_s - second, 1e-3))
        points.append((second, sum(counts(claim) for claim in claims) / width_s))
    return [*points, (view.load_s, points[-1][1])]


def latency_ms(view: View, percent: float) -> Points:
    """A percentile of each second, drawn at its middle; None for a second without requests."""
    points: Points = []
    for second, claims in enumerate(by_second(view)):
        found = percentile([(view.record.latency_s(c.row), c.row.done_s is None) for c in claims], percent)
        points.append((second + 0.5, None if found is None else max(found.value_s * 1000, 0.1)))
    return points


def service_ms(view: View, percent: float) -> Points:
    """The same from the real send, answered requests only."""
    points: Points = []
    for second, claims in enumerate(by_second(view)):
        served = [(s, False) for c in claims if (s := view.record.service_s(c.row)) is not None]
        found = percentile(served, percent)
        points.append((second + 0.5, None if found is None else max(found.value_s * 1000, 0.1)))
    return points


def thin(items: Sequence[Item], *, most: int) -> Sequence[Item]:
    """At most `most` of the items, evenly picked, so that a long run keeps a small page."""
    if len(items) <= most:
        return items
    return [items[i * len(items) // most] for i in range(most)]


def held(steps: Iterable[tuple[float, float]], *, end_s: float) -> Points:
    """The highest value in each stretch of HELD_S, from (time, value from then on) in order of time."""
    count = math.ceil(end_s / HELD_S) + 1
    highest: list[float] = [0.0] * count
    value, at = 0.0, 0
    for t_s, new in [*steps, (end_s + HELD_S, 0.0)]:
        if t_s < 0:
            value = new  # the warm-up is not drawn, but what it left open is
            continue
        to = min(count - 1, max(0, int(t_s / HELD_S)))
        for slot in range(at, to + 1):
            highest[slot] = max(highest[slot], value)
        at, value = to, new
        if t_s <= end_s:
            highest[to] = max(highest[to], new)
    return [(slot * HELD_S, height) for slot, height in enumerate(highest)]
