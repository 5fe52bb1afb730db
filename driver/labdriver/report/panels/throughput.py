"""Asked and served, each second."""

from labdriver.lab import Model
from labdriver.report import background, seconds
from labdriver.report.panel import GHOST_KEY, GHOST_KEY_NAME, Chart, Key, Panel, Target, Trace, View, ghost, line
from labdriver.score.rule import percent

BUSINESS = "the live business"


class ThroughputParams(Model):
    pass


def draw(view: View, earlier: View | None, params: ThroughputParams) -> Chart:
    """Requests due, right answers in time, and the rest, by the second in which they were due."""
    asked = seconds.rate(view, lambda claim: True)
    served = seconds.rate(view, view.evidence.in_time)
    lost = seconds.rate(view, lambda claim: not view.evidence.in_time(claim))
    traces = [
        line("right answers in time", served, "good", step=True, fill="tozeroy", fillcolor="$good/0.28"),
        line("failed, late, false or never answered", lost, "failed", width=1.5, step=True),
        line("asked", asked, "ink", width=1.5, step=True),
    ]
    keys = [
        Key("asked", "ink", "line"),
        Key("right answers in time", "good", "area"),
        Key("failed, late, false or never answered", "failed", "line"),
    ]
    targets = tuple(_targets(view))
    if targets:
        keys.append(Key("full points from", "ink", "dot-line"))
    if earlier is not None:
        traces.insert(0, ghost(GHOST_KEY_NAME, seconds.rate(earlier, earlier.evidence.in_time), step=True))
        keys.append(GHOST_KEY)
    beside = background.of(view.record)
    if beside.sent:
        traces.append(_business(beside))
        keys.append(Key(BUSINESS, "muted", "dot-line"))
    top = max((*(value or 0 for _, value in asked), *(second.rate_rps for second in beside.seconds)), default=1)
    return Chart(
        answer=_answer(view),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="requests / s",
        y_range=(0, max(top * 1.18, 1)),
        targets=targets,
    )


def _business(beside: background.Background) -> Trace:
    """The live business's requests, dotted: they are no part of the load."""
    trace = line(BUSINESS, [(s.from_s, s.rate_rps) for s in beside.seconds], "muted", width=1.5, step=True)
    trace["line"]["dash"] = "dot"
    trace["text"] = [f"{s.failed} failed, mean {s.mean_ms:.0f} ms" if s.sent else "none" for s in beside.seconds]
    trace["hovertemplate"] = "%{y:.3~g}, %{text}"
    return trace


def _answer(view: View) -> str:
    m = view.card.metrics
    told = f"{m['attempted']:,} asked, {m['in_time']:,} served right and in time"
    dry = _dry_from(view)
    if dry is not None:
        return f"{told}; from second {dry} on, nobody was."
    return f"{told} ({percent(m['in_time'] / m['attempted'])})." if m["attempted"] else "Nobody asked."


def _dry_from(view: View) -> int | None:
    """The second from which on nobody was served, if there is one before the last two."""
    served = [any(view.evidence.in_time(c) for c in claims) for claims in seconds.by_second(view)]
    last = max((s for s, any_served in enumerate(served) if any_served), default=-1)
    return last + 1 if last < len(served) - 2 else None


def _targets(view: View) -> list[Target]:
    """Where full points for right answers begin, over the phases that the rule looks at."""
    targets = []
    for rule in view.record.head.scenario.rules:
        if rule.rule == "success":
            full_ratio, skip_s = rule.params["full_ratio"], rule.params.get("skip_s", 0)
            for phase, from_s, to_s in view.spans(rule.params["kinds"], skip_s=skip_s):
                targets.append(Target(phase.rate_rps * full_ratio, percent(full_ratio), from_s, to_s))
    return targets


PANEL = Panel("How many were served, each second?", ThroughputParams, draw)
