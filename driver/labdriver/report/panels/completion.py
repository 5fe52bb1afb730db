"""How long jobs took from being due to being done, each kind apart. Unfinished jobs are at their age."""

import math

from pydantic import Field

from labdriver.lab import Model, Name
from labdriver.report import seconds
from labdriver.report.panel import GHOST_KEY, GHOST_KEY_NAME, Chart, Key, Panel, Target, Trace, View, dots, ghost
from labdriver.report.panels import _kinds
from labdriver.score import jobs
from labdriver.score.evidence import Claim, percentile

MOST_DOTS = 1500  # a longer run is thinned evenly


class CompletionParams(Model):
    requests: tuple[Name, ...] = Field(min_length=1)


def draw(view: View, earlier: View | None, params: CompletionParams) -> Chart:
    """Every job as a dot on a log axis; of an earlier run, the slowest job a second of the first kind."""
    traces, keys = [], []
    for request, colour in _kinds.coloured(params.requests):
        claims = _of(view, request)
        done = [c for c in claims if c.row.done_s is not None]
        open_ = [c for c in claims if c.row.done_s is None]
        if done:
            traces.append(_marks(view, done, request, colour))
            keys.append(Key(f"{request}, done", colour, "dot"))
        if open_:
            marks = _marks(view, open_, f"{request}, never done (at its age)", colour)
            marks["marker"] |= {"symbol": "x-thin", "size": 7, "line": {"width": 1.5, "color": f"${colour}"}}
            traces.append(marks)
            keys.append(Key(f"{request}, never done (at its age)", colour, "cross"))
    if earlier is not None:
        traces.insert(
            0, ghost(f"slowest {params.requests[0]}, {GHOST_KEY_NAME}", _slowest(earlier, params.requests[0]))
        )
        keys.append(GHOST_KEY)
    return Chart(
        answer=_answer(view, params.requests),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="ms from due to done",
        log=True,
        y_range=_range(view, earlier),
        targets=tuple(_targets(view)),
        hover="closest",
        height_px=320,
    )


def _of(view: View, request: str) -> list[Claim]:
    return [claim for claim in jobs.claims_of(view.evidence, request) if claim.row.outcome != "unsent"]


def _marks(view: View, claims: list[Claim], name: str, colour: str) -> Trace:
    return dots(view, seconds.thin(claims, most=MOST_DOTS), name, colour, size=5.5, opacity=0.6)


def _slowest(view: View, request: str) -> seconds.Points:
    """The longest time of each second, drawn at its middle."""
    longest: dict[int, float] = {}
    for claim in _of(view, request):
        second = int(claim.row.intended_s)
        longest[second] = max(longest.get(second, 0.1), view.evidence.latency_ms(claim.row))
    return [(second + 0.5, ms) for second, ms in sorted(longest.items())]


def _answer(view: View, requests: tuple[str, ...]) -> str:
    told = []
    for request in requests:
        claims = _of(view, request)
        found = percentile([(view.record.latency_s(c.row), c.row.done_s is None) for c in claims], 95)
        never = sum(c.row.done_s is None for c in claims)
        if found is not None:
            told.append(f"95 in 100 {request} jobs within {found.ms()}" + (f", {never:,} never" if never else ""))
    return f"{'; '.join(told)}." if told else "No job was measured."


def _range(view: View, earlier: View | None) -> tuple[float, float]:
    """From the power of ten below the quickest job to a little above the slowest."""
    waits = [max(v.evidence.latency_ms(c.row), 1.0) for v in (view, earlier) if v for c in v.evidence.claims]
    return 10 ** math.floor(math.log10(min(waits, default=10.0))), max([*waits, 1000.0]) * 1.6


def _targets(view: View) -> list[Target]:
    rules = [rule.params for rule in view.record.head.scenario.rules if rule.rule == "completion"]
    return [Target(p["within_ms"], f"{p['request']}: in time up to {p['within_ms']:,.0f} ms") for p in rules]


PANEL = Panel("How long did jobs take to be done?", CompletionParams, draw)
