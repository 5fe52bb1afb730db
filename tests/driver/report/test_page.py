"""The page of a run: complete, escaped, small, and standing on its own feet without a network."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from tests.driver.record_builder import build
from tests.driver.strategies import Strategy, deadline, invented_price, stale_price, starter

from labdriver.errors import Misuse
from labdriver.record import Record
from labdriver.report import facts, page
from labdriver.score import line
from labdriver.score.card import judge

STARTER, SOLUTION = build(starter, seed=1), build(deadline(0.5), seed=2, run=1)
ASSETS = "../../assets/plotly.min.js"


def rendered(made: Record, earlier: Record | None = None) -> str:
    before = (earlier, judge(earlier)) if earlier else None
    return page.render(made, judge(made), baseline=before, ghost=before, assets_href=ASSETS)


def data_of(text: str) -> dict[str, Any]:
    """The JSON that the page's script draws."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    read: dict[str, Any] = json.loads(found[1])
    return read


def with_scenario(made: Record, **update: Any) -> Record:
    scenario = made.head.scenario.model_copy(update=update)
    return replace(made, head=made.head.model_copy(update={"scenario": scenario}))


def test_page_says_verdict_and_cause_before_anything_else() -> None:
    """Verdict, score, cause; then rules, comparison, charts, lost points, facts."""
    text = rendered(SOLUTION, STARTER)
    ids = [text.index(mark) for mark in ('class="score"', 'class="cause"', *(f'id="{i}"' for i in SECTIONS))]
    assert ids == sorted(ids)


SECTIONS = ("rules", "compare", "charts", "facts")


def test_every_rule_and_lost_request_is_listed() -> None:
    """Each rule with points and reason, each losing rule with its first requests and how many more there are."""
    card = judge(STARTER)
    text = rendered(STARTER)
    for rule in card.rules:
        assert rule.title in text
        if rule.lost:
            assert f'id="lost-{rule.id}"' in text
            assert f"#{rule.lost[0].seq}" in text
    assert re.search(r"and \d+ more; all rows", text)


def test_a_figure_and_its_unit_stay_on_one_line() -> None:
    """`80 %` is not torn apart on a phone; the charts' data and its script stay as they are."""
    text, _, script = rendered(STARTER).partition("<script")
    assert "12\u00a0%" in text
    assert not re.search(r"\d (%|ms)(?!\w)", text.partition("</style>")[2])
    assert "\u00a0" not in script


@pytest.mark.parametrize("made", [STARTER, SOLUTION], ids=["starter", "solution"])
def test_the_score_lines_ok_is_explained(made: Record) -> None:
    """`ok=` counts right answers that came late too, the page's first figure does not: the facts tell both."""
    card = judge(made)
    told = dict(facts.facts(made, card))["right answers"]
    right, late = (int(figure) for figure in re.findall(r"\b\d+\b", told)[:2])
    assert right - late == card.metrics["in_time"]
    ok = re.search(r"ok=\S+", told)
    assert ok is not None
    assert ok[0] in line.format(made.head, card)


def test_every_panel_of_the_scenario_is_drawn_with_its_question() -> None:
    """One chart a panel, each with a question, an answer and data."""
    charts = data_of(rendered(SOLUTION, STARTER))["charts"]
    assert len(charts) == len(SOLUTION.head.scenario.panels)
    assert all(chart["traces"] for chart in charts)
    assert rendered(SOLUTION).count("<figcaption><h3") == len(charts)


def test_charts_account_for_every_request() -> None:
    """The stacked bars of the ends of requests add up to what was planned."""
    for made in (STARTER, SOLUTION):
        statuses = data_of(rendered(made))["charts"][2]
        assert sum(sum(trace["y"]) for trace in statuses["traces"]) == 800


def test_ghost_of_the_earlier_run_is_dashed() -> None:
    """Drawn with a run before, absent without."""
    with_ghost, without = rendered(SOLUTION, STARTER), rendered(SOLUTION)
    assert with_ghost.count("best earlier run") > without.count("best earlier run") == 0
    dashed = [
        t for c in data_of(with_ghost)["charts"] for t in c["traces"] if t.get("line", {}).get("dash") == "9px,4px"
    ]
    assert len(dashed) == 3


def test_names_with_markup_are_shown_as_text() -> None:
    """Whatever `--by`, a note, a target or a claimed price says, it never becomes markup or ends the script."""
    evil = "</script><script>alert(1)</script><b>&"
    head = SOLUTION.head.model_copy(update={"by": evil, "notes": (evil,)})
    rows = tuple(replace(row, target=f"/quotes/{evil}") if row.seq % 50 == 0 else row for row in SOLUTION.rows)
    text = rendered(replace(SOLUTION, head=head, rows=rows))
    assert "<script>alert" not in text
    assert "<b>&" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert text.count("</script>") == 3
    assert data_of(text)["charts"]


def test_page_is_small_and_needs_no_network() -> None:
    """At most 200 KB beside plotly.js, which is named by a relative path; no other file, no address."""
    for made in (STARTER, SOLUTION):
        text = rendered(made, STARTER)
        assert len(text.encode()) <= 200_000
        assert re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="((?!data:)[^"]+)"', text) == [ASSETS]
        assert re.findall(r"https?://(?!www\.w3\.org)[^\s'\"]+", text) == []


def test_long_run_keeps_a_small_page() -> None:
    """Two minutes at 100 requests a second: 12,000 requests, still under 200 KB."""
    scenario = STARTER.head.scenario.scaled(6)
    phases = tuple(phase.model_copy(update={"rate_rps": 100}) for phase in scenario.phases)
    made = build(deadline(0.5), scenario=scenario.model_copy(update={"phases": phases}), pool=100)
    assert len(made.scored()) == 12_000
    assert len(rendered(made).encode()) <= 200_000


@pytest.mark.parametrize(
    ("update", "told"),
    [
        ({"generator": None}, "the load generator left no account"),
        ({"dependency": None}, "ledger could not be read"),
        ({"ended": "interrupted", "load_s": 7.4, "end_s": 7.5}, "interrupted at 7 s of 20 s"),
        ({"ended": "interrupted", "load_s": 0.0, "end_s": 0.0}, "interrupted at 0 s of 20 s"),
        ({"started_at": "yesterday"}, "yesterday"),
    ],
)
def test_run_that_went_wrong_still_has_a_page(update: dict[str, Any], told: str) -> None:
    """Whatever is missing is said, in the page that the run got all the same."""
    assert told in rendered(replace(SOLUTION, head=SOLUTION.head.model_copy(update=update)), STARTER)


def test_empty_record_has_a_page() -> None:
    """No rows, no samples, no calls: said, not crashed."""
    text = rendered(Record(SOLUTION.head, (), (), ()), STARTER)
    assert "Nothing was measured" in text
    assert "not evaluated" in text


def test_samples_may_be_missing_or_senseless() -> None:
    """A figure that is not there leaves a gap; one that is no number too."""
    samples = tuple(replace(s, values={"api.cpu_ratio": float("nan")} if s.t_s > 5 else {}) for s in SOLUTION.samples)
    assert data_of(rendered(replace(SOLUTION, samples=samples)))["charts"]


def test_unknown_panel_lists_the_known() -> None:
    """A misspelt name is answered with the names there are."""
    panel = SOLUTION.head.scenario.panels[0].model_copy(update={"panel": "troughput"})
    with pytest.raises(Misuse, match=r"unknown panels 'troughput', expected one of: .*throughput"):
        rendered(with_scenario(SOLUTION, panels=(panel,)))
    extra = SOLUTION.head.scenario.panels[0].model_copy(update={"params": {"colour": "red"}})
    with pytest.raises(Misuse, match="panel throughput: colour"):
        page.check(with_scenario(SOLUTION, panels=(extra,)).head.scenario)


@pytest.mark.parametrize("strategy", [invented_price, stale_price])
def test_false_and_older_prices_are_seen(strategy: Strategy) -> None:
    """A lie and a marked older price each have their own end in the chart of ends."""
    names = {trace["name"] for trace in data_of(rendered(build(strategy)))["charts"][2]["traces"]}
    assert names & {"200 false", "200 older, marked"}
