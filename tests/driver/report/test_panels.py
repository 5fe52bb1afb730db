"""What the charts draw, with the arithmetic beside it; and the sentence at the head of the page."""

from dataclasses import replace

import pytest
from tests.driver.record_builder import build, cut
from tests.driver.strategies import Strategy, cache, deadline, drop_the_call, invented_price, refuse_all, starter, stuck

from labdriver.record import Record
from labdriver.report import page, seconds
from labdriver.report.cause import cause
from labdriver.report.panel import View
from labdriver.report.panels import cpu, dependency, in_flight, latency, throughput
from labdriver.score.card import judge_evidence
from labdriver.score.evidence import gather


def view_of(made: Record) -> View:
    evidence = gather(made)
    return View(evidence, judge_evidence(evidence))


STARTER, SOLUTION = view_of(build(starter, seed=1)), view_of(build(deadline(0.5), seed=2))
CUT = cut(build(starter), 7.5)


def test_rates_are_per_second_and_add_up() -> None:
    """40 a second were due in each of 20 seconds; what was served and what was not is all of it."""
    asked = seconds.rate(STARTER, lambda claim: True)
    assert [value for _, value in asked] == [40] * 21
    served = seconds.rate(STARTER, STARTER.evidence.in_time)
    assert sum(value or 0 for _, value in served[:-1]) == STARTER.card.metrics["in_time"]


def test_second_cut_short_is_scaled_up() -> None:
    """An interrupted run ends in mid-second: its rate is that of the half second it had."""
    asked = seconds.rate(view_of(CUT), lambda claim: True)
    assert asked[-1] == (7.5, 40)
    assert len(asked) == 9


def test_latency_line_is_the_exact_percentile_of_its_second() -> None:
    """p95 of the 40 requests due in second 7 is the 38th of them by waiting time."""
    drawn = dict(seconds.latency_ms(SOLUTION, 95))
    waits = sorted(SOLUTION.record.latency_s(r) * 1000 for r in SOLUTION.record.scored() if 7 <= r.intended_s < 8)
    assert drawn[7.5] == pytest.approx(waits[37])


def test_open_requests_are_exact() -> None:
    """Each stretch shows the most that were open in it; what never closed stays to the end."""
    steps = [(-1.0, 1), (0.05, 2), (0.06, 3), (0.31, 2)]
    drawn = seconds.held(steps, end_s=0.5)
    assert [value for _, value in drawn] == [3, 3, 3, 3, 2, 2]
    chart = in_flight.PANEL.draw(STARTER, None, in_flight.InFlightParams(roles=("api",)))
    assert chart.traces[0]["y"][-1] == STARTER.card.metrics["hung"]
    assert [key.name for key in chart.keys][1:] == ["open, says api"]


def test_calls_that_a_lab_never_makes_are_not_drawn() -> None:
    """The api counts its calls to every dependency, also those of other labs: zeros all along."""
    calls = {"api.calls_in_flight.pricing": 3.0, "api.calls_in_flight.payment": 0.0}
    samples = tuple(replace(sample, values=calls) for sample in STARTER.record.samples)
    seen = view_of(replace(STARTER.record, samples=samples))
    chart = in_flight.PANEL.draw(seen, None, in_flight.InFlightParams(roles=("api",)))
    assert [key.name for key in chart.keys][1:] == ["waiting on pricing, says api"]


def test_hung_requests_are_marked_at_their_age() -> None:
    """Every request without an answer is a cross at how long it had waited when the run ended."""
    chart = latency.PANEL.draw(STARTER, None, latency.LatencyParams())
    hung = next(trace for trace in chart.traces if trace["name"].startswith("never answered"))
    assert len(hung["x"]) == STARTER.card.metrics["hung"]
    assert hung["y"][0] == pytest.approx((23 - hung["x"][0]) * 1000, rel=1e-3)
    thinned = latency.PANEL.draw(STARTER, None, latency.LatencyParams(most_dots=100))
    dots = [trace for trace in thinned.traces if trace["mode"] == "markers"]
    assert 100 <= sum(len(trace["x"]) for trace in dots) <= 100 + len(dots)


def test_ledger_is_drawn_by_how_calls_ended() -> None:
    """The bars of the dependency are its ledger, the warm-up left out."""
    chart = dependency.PANEL.draw(SOLUTION, None, dependency.DependencyParams(operation="pricing"))
    drawn = {trace["name"]: sum(trace["y"]) for trace in chart.traces}
    assert drawn == {"answered": 672, "hung": 80, "trickled": 16, "failed": 16, "cut off": 16}
    assert chart.answer.startswith("pricing got 800 calls for 800 requests and spoilt 80 (hung)")
    silent = dependency.PANEL.draw(SOLUTION, None, dependency.DependencyParams(operation="payment"))
    assert silent.answer == "payment was never called."


def test_targets_are_drawn_where_their_rule_looks() -> None:
    """Full points for 50 % of 40 a second, during the fault only; recovery without its first two seconds."""
    spans = {
        (t.value, t.from_s, t.to_s)
        for t in throughput.PANEL.draw(SOLUTION, None, throughput.ThroughputParams()).targets
    }
    assert (20.0, 6.0, 14.0) in spans
    assert (38.0, 16.0, 20.0) in spans


def test_a_limit_is_drawn_where_its_rule_looks() -> None:
    """Over the whole chart, or over the phases that the rule names, their first second left out."""
    scenario = STARTER.record.head.scenario
    tail = next(rule for rule in scenario.rules if rule.rule == "latency")
    late = tail.model_copy(update={"params": tail.params | {"kinds": ["recovery"], "skip_s": 1}})
    for rule, span in ((tail, (None, None)), (late, (15.0, 20.0))):
        head = STARTER.record.head.model_copy(update={"scenario": scenario.model_copy(update={"rules": (rule,)})})
        seen = View(replace(STARTER.evidence, record=replace(STARTER.record, head=head)), STARTER.card)
        (target,) = latency.PANEL.draw(seen, None, latency.LatencyParams()).targets
        assert (target.from_s, target.to_s) == span


def test_processor_answer_follows_the_samples() -> None:
    """Below 80 % of a core it was not the processor; without samples nobody knows."""
    params = cpu.CpuParams(roles=("api", "depsim"))
    assert cpu.PANEL.draw(SOLUTION, None, params).answer.startswith("No: of one core, api at most")
    busy = tuple(replace(s, values={"api.cpu_ratio": 0.97}) for s in SOLUTION.record.samples)
    assert cpu.PANEL.draw(view_of(replace(SOLUTION.record, samples=busy)), None, params).answer.startswith("Perhaps")
    none = view_of(replace(SOLUTION.record, samples=()))
    assert cpu.PANEL.draw(none, None, params).answer == "No samples were taken."


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        (starter, "requests were still waiting at the end: nothing limits how long a quote waits. The fault ended"),
        (deadline(0.5), "Still, 84 % of requests got a right answer in time; nobody waited longer than 5"),
        (deadline(5), "people waited longer than 1,000 ms"),
        (deadline(0.02), "Even while all was well, only"),
        (refuse_all, "Even while all was well, only 0 % of requests"),
        (stuck, "None of 800 requests was answered, not even while all was well."),
        (invented_price, "128 of 800 answers were false"),
        (cache(stale=False), "answers were false"),
        (drop_the_call, "pricing was unwell for 8 s and was never called meanwhile. 800 of 800 answers were false"),
    ],
)
def test_cause_names_the_worst_that_the_record_shows(strategy: Strategy, told: str) -> None:
    """One or two sentences with figures that were counted."""
    assert told.lower() in cause(view_of(build(strategy, seed=2))).lower()


def test_cause_of_a_run_cut_short_speaks_of_what_it_saw() -> None:
    """The fault began at 6 s, the run ended at 7.5 s."""
    assert "For 1.5 s, " in cause(view_of(CUT))


def test_every_panel_has_another_question() -> None:
    """Questions are headings: each is asked once, and answered in a sentence."""
    drawn = page.draw(STARTER, SOLUTION)
    assert len({d.question for d in drawn}) == len(drawn)
    assert all(d.question.endswith("?") and d.chart.answer.endswith(".") for d in drawn)
