"""The page of one run: verdict and cause first, then the rules, the change, the charts, every lost request.

    Record, Card (+ the run before, + the best earlier one) ──▶ render() ──▶ HTML

Pure: text out, no file written, no clock read. Everything a participant may have typed goes through autoescape; data
for the charts stands as JSON in the page. plotly.py is not imported: the charts are plain data for plotly.js.
"""

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from labdriver.lab import Phase, Scenario
from labdriver.record import Record
from labdriver.report import embed, facts, panels
from labdriver.report.cause import cause
from labdriver.report.panel import Chart, Key, Panel, View
from labdriver.score import scan
from labdriver.score.card import Card, RuleResult
from labdriver.score.compare import PROOF_RUNS, Comparison, compare
from labdriver.score.evidence import gather, params
from labdriver.score.rule import percent

HERE = Path(__file__).parent
UNIT = re.compile(r"(?<=\d) (?=%|ms\b)")
TOLD_LOSSES = 30  # lost requests listed a rule; the rest are in samples.json.gz

Earlier = tuple[Record, Card]


@dataclass(frozen=True)
class Drawn:
    """One chart with what stands around it."""

    id: str
    question: str
    chart: Chart

    @property
    def legend(self) -> tuple[Key, ...]:
        """`chart.keys` under a name that a template cannot mistake for a method of a dict."""
        return self.chart.keys


def render(
    record: Record,
    card: Card,
    *,
    baseline: Earlier | None,
    ghost: Earlier | None,
    proof: Comparison | None = None,
    assets_href: str,
    index_href: str = "../../index.html",
) -> str:
    """The whole page. `baseline` is the run compared in the table, `ghost` the one drawn as a dashed line.

    `proof` compares several runs of this edit with several of the one before it.

    Raises Misuse when the record's scenario names unknown panels or parameters.
    """
    view = View(gather(record), card)
    drawn = draw(view, View(gather(ghost[0]), ghost[1]) if ghost else None)
    head = record.head
    return (
        environment()
        .get_template("page.html")
        .render(
            head=head,
            card=card,
            started=when(head.started_at),
            cause=cause(view),
            tiles=facts.tiles(card, baseline[1] if baseline else None),
            phases=_spans(view),
            drawn=drawn,
            ghost=ghost[0].head if ghost else None,
            ghost_card=ghost[1] if ghost else None,
            baseline=baseline[0].head if baseline else None,
            baseline_card=baseline[1] if baseline else None,
            baseline_started=when(baseline[0].head.started_at) if baseline else "",
            comparison=compare(baseline[0], record) if baseline else None,
            proof=proof,
            proof_runs=PROOF_RUNS,
            lost=[_lost(record, rule) for rule in card.rules if rule.lost],
            facts=facts.facts(record, card),
            lag=facts.lag(record),
            data=embed.as_script(_data(view, drawn)),
            assets_href=assets_href,
            index_href=index_href,
        )
    )


def draw(view: View, earlier: View | None) -> list[Drawn]:
    """All panels of the record's scenario, in its order."""
    return [
        Drawn(f"chart-{number}", panel.question, panel.draw(view, earlier, options))
        for number, (panel, options) in enumerate(_panels(view.record.head.scenario))
    ]


def check(scenario: Scenario) -> None:
    """Raise Misuse when the scenario names panels that are not there, or parameters they do not take."""
    _panels(scenario)


def _panels(scenario: Scenario) -> list[tuple[Panel[Any], Any]]:
    found = []
    for use in scenario.panels:
        panel: Panel[Any] = scan.find(panels, use.panel, constant="PANEL")
        found.append((panel, params(panel.params, use.params, of=f"panel {use.panel}")))
    return found


@cache
def environment() -> Environment:
    """Templates of this folder; undefined names are errors, everything is escaped."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_tied,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = lambda name: Markup((HERE / "static" / name).read_text(encoding="utf-8"))
    made.globals["verdict_words"] = verdict_words
    made.filters["points"] = lambda value: f"{value:g}"
    made.filters["percent"] = percent
    return made


def _tied(value: Any) -> Any:
    """A figure and its unit stay on one line; what is HTML already is left alone."""
    return value if not isinstance(value, str) or hasattr(value, "__html__") else UNIT.sub("\u00a0", value)


def when(started_at: str) -> str:
    """`21 Nov 2026, 10:15 UTC`; the text itself when it is no time."""
    try:
        moment = datetime.fromisoformat(started_at)
    except ValueError:
        return started_at
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


@dataclass(frozen=True)
class Span:
    """A phase on the charts' axis; `left` and `width` are per cent of it."""

    name: str
    kind: str
    from_s: float
    to_s: float
    told: str  # what the dependency is told to spoil in it
    left: float
    width: float


def _spans(view: View) -> list[Span]:
    """The phases that the run reached, and the settling after them."""
    starts, end_s = view.evidence.phase_starts_s, view.end_s
    found: list[tuple[str, str, float, float, str]] = [
        (phase.name, phase.kind, starts[i], starts[i + 1], _told(phase))
        for i, phase in enumerate(view.record.head.scenario.phases)
    ]
    found.append(("settling", "settle", starts[-1], end_s, ""))
    spans = []
    for name, kind, from_s, to_s, told in found:
        if from_s < end_s - 0.05:
            to_s = min(to_s, end_s)
            spans.append(Span(name, kind, from_s, to_s, told, from_s / end_s * 100, (to_s - from_s) / end_s * 100))
    return spans


def _told(phase: Phase) -> str:
    return ", ".join(f"{percent(f.share_ratio)} {f.kind}" for b in phase.dependency.values() for f in b.faults)


def _data(view: View, drawn: list[Drawn]) -> dict[str, Any]:
    """What the page's script draws."""
    keep = ("unit", "log", "y_range", "stacked", "hover", "height_px", "traces")
    return {
        "end_s": round(view.end_s, 3),
        "phases": [{"kind": s.kind, "from_s": s.from_s, "to_s": s.to_s} for s in _spans(view)],
        "charts": [
            {"id": d.id, "targets": [asdict(t) for t in d.chart.targets], **{k: getattr(d.chart, k) for k in keep}}
            for d in drawn
        ],
    }


def _lost(record: Record, rule: RuleResult) -> dict[str, Any]:
    """The first lost requests of a rule, with who sent them."""
    rows = {row.seq: row for row in record.rows}
    clients = record.head.scenario.clients
    return {
        "rule": rule,
        "rows": [{"lost": lost, "client": clients[rows[lost.seq].client].name} for lost in rule.lost[:TOLD_LOSSES]],
        "more": max(0, len(rule.lost) - TOLD_LOSSES),
    }


def verdict_words(comparison: Comparison) -> str:
    """The comparison's verdict as the beginning of a sentence."""
    return {
        "improved": "Improved",
        "worse": "Got worse",
        "same": "No change that can be seen",
        "refused": "Not compared",
    }[comparison.verdict]
