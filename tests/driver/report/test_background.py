"""The live business in a report: a dotted line and a sentence when there was any, nothing at all when not."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.driver.record_builder import build
from tests.driver.strategies import deadline

from labdriver.record import Record, Sample
from labdriver.report import background, facts
from labdriver.report.panel import View
from labdriver.report.panels import throughput
from labdriver.score.card import judge, judge_evidence
from labdriver.score.evidence import gather

SOLUTION = build(deadline(0.5))


def business(samples: Mapping[float, Mapping[str, float]]) -> Record:
    """The run with these looks at the services."""
    return replace(SOLUTION, samples=tuple(Sample(t_s, dict(values)) for t_s, values in samples.items()))


def look(ok: float, failed: float, took_s: float, **more: float) -> dict[str, float]:
    counted = {"api.background_responses.200": ok, "api.background_responses.503": failed, "api.background_s": took_s}
    return counted | {name.replace("_", ".", 1): value for name, value in more.items()}


BUSY = business(
    {
        -1.0: look(100, 7, 50.0),
        0.0: look(103, 7, 50.1),
        1.0: look(107, 8, 50.6) | {"worker.background_responses.202": 2.0, "worker.background_s": 0.2},
        3.0: look(111, 10, 51.0) | {"worker.background_responses.202": 3.0, "worker.background_s": 0.3},
    }
)


def chart_of(made: Record) -> throughput.Chart:
    evidence = gather(made)
    return throughput.PANEL.draw(View(evidence, judge_evidence(evidence)), None, throughput.ThroughputParams())


def test_a_second_is_the_growth_between_two_looks() -> None:
    """From the start of the load, over api and worker; the mean is over what ended in that second."""
    first, second = background.of(BUSY).seconds
    assert (first.from_s, first.to_s, first.sent, first.failed) == (0.0, 1.0, 7, 1)
    assert first.mean_ms == pytest.approx((0.5 + 0.2) / 7 * 1000)
    assert (second.sent, second.failed, second.rate_rps) == (7, 2, 3.5)


def test_it_is_told_and_drawn_apart() -> None:
    """One dotted series with its key, one sentence among the facts."""
    chart = chart_of(BUSY)
    (dotted,) = [trace for trace in chart.traces if trace["name"] == "the live business"]
    assert (dotted["line"]["dash"], dotted["x"], dotted["y"]) == ("dot", [0, 1], [7, 3.5])
    assert dotted["text"] == ["1 failed, mean 100 ms", "2 failed, mean 71 ms"]
    assert [key.shape for key in chart.keys if key.name == "the live business"] == ["dot-line"]
    told = "Beside the load, the live business sent 14 requests, 3 failed; no rule counts them."
    assert dict(facts.facts(BUSY, judge(BUSY)))["live business"] == told


def test_a_busy_business_fits_into_the_chart() -> None:
    """The axis reaches over whichever is higher."""
    busy = business({0.0: look(0, 0, 0), 1.0: look(500, 0, 1)})
    assert chart_of(SOLUTION).y_range[1] < 100 < 500 < chart_of(busy).y_range[1]


def test_a_late_look_makes_no_peak() -> None:
    """The second before the load, looked at 7 ms after its start, is not seven milliseconds full of requests."""
    made = business({-1.0: look(0, 0, 0), 0.007: look(5, 0, 1), 1.0: look(6, 0, 1.1)})
    assert [second.sent for second in background.of(made).seconds] == [1]
    assert chart_of(made).y_range == chart_of(SOLUTION).y_range


@pytest.mark.parametrize(
    "made", [SOLUTION, business({0.0: look(5, 1, 2), 1.0: look(5, 1, 2)})], ids=["never_any", "none_in_the_run"]
)
def test_without_any_there_is_no_trace_of_it(made: Record) -> None:
    """Neither line, nor key, nor sentence."""
    chart = chart_of(made)
    assert "live business" not in str((chart.traces, chart.keys, facts.facts(made, judge(made))))


def test_restarted_and_silent_replicas_invent_no_requests() -> None:
    """A counter that fell began anew; a second in which a replica was silent is left out."""
    made = business(
        {
            0.0: look(40, 0, 1),
            1.0: look(3, 0, 0.1),
            2.0: {"api.unreachable": 1.0},
            3.0: look(90, 0, 9),
            4.0: look(91, 0, 9),
        }
    )
    assert [second.sent for second in background.of(made).seconds] == [3, 0, 0, 1]


def test_no_rule_and_no_figure_knows_of_it() -> None:
    """The same run with a busy business beside it is judged word for word the same."""
    calls = tuple(replace(call, id=f"b{call.id}", outcome="error", answer=None) for call in SOLUTION.calls)
    beside = replace(SOLUTION, samples=BUSY.samples, background=calls)
    alone = replace(SOLUTION, samples=())
    assert judge(beside).to_json() == judge(alone).to_json()
