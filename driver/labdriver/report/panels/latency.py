"""How long people waited, by the second in which their request was due. Requests without an answer are at their age."""

import math
from collections.abc import Sequence

from pydantic import Field

from labdriver.lab import Model
from labdriver.report import seconds
from labdriver.report.panel import GHOST_KEY, Chart, Key, Panel, Target, Trace, View, dots, ghost, line
from labdriver.score.evidence import Claim

DOTS = {"good": "right", "degraded": "older price, marked", "failed": "failed", "dishonest": "false"}
COLOURS = {"good": "good", "degraded": "late", "failed": "failed", "dishonest": "false"}
PERCENTILES = ((50, "p50", 1.5), (95, "p95", 2.5), (99, "p99", 1.5))  # and their colours and widths


class LatencyParams(Model):
    most_dots: int = Field(default=1500, ge=0)  # single requests drawn; a longer run is thinned evenly


def draw(view: View, earlier: View | None, params: LatencyParams) -> Chart:
    """Every request as a dot, percentiles of each second as lines, on a log axis."""
    clouds = _clouds(view, most=params.most_dots)
    lines = [line(f"p{p}", seconds.latency_ms(view, p), colour, width=width) for p, colour, width in PERCENTILES]
    service = line("p95 from the real send", seconds.service_ms(view, 95), "muted", width=1)
    service["line"]["dash"] = "dot"
    traces = [*clouds, service, *lines]
    keys = [Key(str(t["name"]), t["marker"]["color"][1:].partition("/")[0], _shape(t)) for t in clouds]
    keys += [Key(f"p{p}", colour, "line") for p, colour, _ in PERCENTILES]
    keys.append(Key("p95 from the real send", "muted", "dot-line"))
    if earlier is not None:
        traces.insert(0, ghost("p95, best earlier run", seconds.latency_ms(earlier, 95)))
        keys.append(GHOST_KEY)
    return Chart(
        answer=_answer(view),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="ms from the intended start",
        log=True,
        y_range=_range([view] if earlier is None else [view, earlier]),
        targets=tuple(_targets(view)),
        hover="closest",
        height_px=320,
    )


def _clouds(view: View, *, most: int) -> list[Trace]:
    """One trace a label, and one for requests that nobody answered."""
    claims = view.evidence.claims
    share = min(1.0, most / len(claims)) if claims else 0.0
    open_ = [c for c in claims if c.row.done_s is None]
    traces = []
    for label, name in DOTS.items():
        some = [c for c in claims if c.label == label and c.row.done_s is not None]
        if some:
            traces.append(_marks(view, seconds.thin(some, most=math.ceil(len(some) * share)), name, COLOURS[label]))
    if open_:
        some_open = seconds.thin(open_, most=math.ceil(len(open_) * share))
        marks = _marks(view, some_open, "never answered (at its age)", "hung")
        marks["marker"] |= {"symbol": "x-thin", "size": 5, "line": {"width": 1, "color": "$hung/0.6"}}
        traces.append(marks)
    return traces


def _marks(view: View, claims: Sequence[Claim], name: str, colour: str) -> Trace:
    return dots(view, claims, name, colour, size=4.5, opacity=0.45)


def _shape(trace: Trace) -> str:
    return "cross" if trace["marker"].get("symbol") == "x-thin" else "dot"


def _answer(view: View) -> str:
    m = view.card.metrics
    if m["p95_ms"] is None:
        return "No request was measured."
    half, most = (f"{'at least' if m[f'{p}_censored'] else 'up to'} {m[f'{p}_ms']:,} ms" for p in ("p50", "p95"))
    told = f"Half of them {half}, 95 in 100 {most}."
    unanswered = m["unfinished"]
    return f"{told} {unanswered:,} were still waiting when the run ended." if unanswered else told


def _range(views: Sequence[View]) -> tuple[float, float]:
    """From the power of ten below the shortest wait to a little above the longest, or the target."""
    rows = [(v.evidence.latency_ms(c.row), c.row.done_s) for v in views for c in v.evidence.claims]
    shortest = min((ms for ms, done_s in rows if done_s is not None), default=10.0)
    longest = max([ms for ms, _ in rows] + [t.value for t in _targets(views[0])] + [100.0])
    return 10 ** math.floor(math.log10(max(shortest, 0.1))), longest * 1.6


def _targets(view: View) -> list[Target]:
    """Up to where full points go, over the phases that the rule looks at; over the whole chart when it names none."""
    targets = []
    for p in (rule.params for rule in view.record.head.scenario.rules if rule.rule == "latency"):
        looks_at = view.spans(p["kinds"], skip_s=p.get("skip_s", 0)) if "kinds" in p else [(None, None, None)]
        text = f"p{p['percentile']:g}: full points up to {p['full_ms']:,.0f} ms"
        targets += [Target(p["full_ms"], text, from_s, to_s) for _, from_s, to_s in looks_at]
    return targets


PANEL = Panel("How long did people wait?", LatencyParams, draw)
