"""What people got instead of a right answer: every request of a second, by its end."""

from collections import Counter
from itertools import cycle

from labdriver.lab import Model
from labdriver.report import seconds
from labdriver.report.panel import Chart, Key, Panel, View, bars
from labdriver.score.evidence import Claim

FAILED_COLOURS = ("failed", "failed-2", "failed-3")  # shades for one status after the other


class StatusesParams(Model):
    pass


def ending(claim: Claim, *, in_time: bool) -> str:
    """How a request ended, in two or three words."""
    row = claim.row
    if row.outcome in ("hung", "unsent"):
        return {"hung": "never answered", "unsent": "never sent"}[row.outcome]
    if claim.label == "dishonest":
        return f"{row.status} false"
    if claim.label == "degraded":
        return f"{row.status} older, marked"
    if row.error or not row.status:
        return f"no answer: {row.error or 'connection lost'}"
    if claim.label == "good":
        return f"{row.status} right" if in_time else f"{row.status} right, too late"
    return f"{row.status} failed"


def draw(view: View, earlier: View | None, params: StatusesParams) -> Chart:
    """Stacked bars, right answers at the bottom, unanswered requests on top."""
    seen = view.evidence
    endings = [Counter(ending(c, in_time=seen.in_time(c)) for c in claims) for claims in seconds.by_second(view)]
    counts = sum(endings, Counter[str]())
    shades = cycle(FAILED_COLOURS)
    colours = {name: _colour(name) or next(shades) for name in sorted(counts, key=_order)}
    hatched = {name for name in colours if name.startswith("never") or name.endswith("marked")}
    traces = [
        bars(name, [(s, e[name]) for s, e in enumerate(endings) if e[name]], colour, hatch=name in hatched)
        for name, colour in colours.items()
    ]
    keys = tuple(
        Key(f"{name} ({counts[name]:,})", colour, "hatch" if name in hatched else "area")
        for name, colour in colours.items()
    )
    return Chart(answer=_answer(counts), traces=tuple(traces), keys=keys, unit="requests / s", stacked=True)


def _colour(name: str) -> str:
    """The colour that a kind of end always has; empty for those told apart by shades."""
    if name.endswith("right"):
        return "good"
    if name.endswith(("marked", "too late")):
        return "late"
    if name.endswith("false"):
        return "false"
    return {"never answered": "hung", "never sent": "unsent"}.get(name, "")


def _order(name: str) -> tuple[int, str]:
    ranks = ("good", "late", "", "false", "hung", "unsent")
    return ranks.index(_colour(name)), name


def _answer(counts: Counter[str]) -> str:
    total = counts.total()
    if not total:
        return "No request was measured."
    wrong = [(name, count) for name, count in counts.most_common() if not name.endswith("right")]
    if not wrong:
        return f"All {total:,} requests got a right answer."
    told = ", ".join(f"{count:,} × {name}" for name, count in wrong[:3])
    return f"Of {total:,} requests: {told}."


PANEL = Panel("What did people get?", StatusesParams, draw)
