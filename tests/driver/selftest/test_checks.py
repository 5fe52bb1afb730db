"""The checks' own arithmetic, on data whose answer is known."""

import random
from typing import Any

import psutil
import pytest

from labdriver.errors import EnvironmentFault, Misuse
from labdriver.load.drive import LoadResult
from labdriver.record import Generator, Row
from labdriver.score.compare import compare
from labdriver.selftest import server
from labdriver.selftest.bed import record_of, scenario
from labdriver.selftest.check import Figure, Finding
from labdriver.selftest.checks import schedule, stopped
from labdriver.selftest.run import known, run_checks

HEALTHY = Generator(lag_p50_ms=0.1, lag_p99_ms=0.3, lag_max_ms=1, cpu_ratio=0.05, pacing="timerfd")


def result(rows: list[Row]) -> LoadResult:
    return LoadResult(tuple(rows), HEALTHY, "complete", 10.0, 10.0, 0.0, 0.1, ())


def row(seq: int, intended_s: float, latency_s: float | None, *, body: dict[str, Any] | None = None) -> Row:
    done_s = None if latency_s is None else intended_s + latency_s
    outcome = "hung" if latency_s is None else "ok"
    target = f"/quotes/{body['sku']}" if body else "/"
    return Row(seq, 0, 0, 0, target, intended_s, intended_s, done_s, outcome, 200, "", body)


def stalled(*, shown: bool) -> list[Row]:
    """Ten seconds at 100 a second, a stall from 4 to 6; `shown`: latencies as users had them, else from the send."""
    rows = []
    for seq in range(1000):
        at_s = seq / 100
        rows.append(row(seq, at_s, 6 - at_s if shown and 4 <= at_s < 6 else 0.0001))
    return rows


def test_deviations_of_a_perfect_grid_are_zero() -> None:
    """A constant offset does not count."""
    stamps_s = [7.25 + i / 500 for i in range(1000)]
    assert schedule.deviations_ms(stamps_s, rate_rps=500)[-1] == pytest.approx(0, abs=1e-9)
    assert schedule.rate_error_ratio(stamps_s, rate_rps=500) == pytest.approx(0, abs=1e-12)


def test_deviations_show_what_was_late() -> None:
    """One request of a hundred 3 ms late is the p99 of nobody else."""
    stamps_s = [i / 100 + (0.003 if i == 50 else 0) for i in range(100)]
    ordered = schedule.deviations_ms(stamps_s, rate_rps=100)
    assert ordered[-1] == pytest.approx(3)
    assert ordered[-2] == pytest.approx(0, abs=1e-9)


def test_rate_error_is_the_drift() -> None:
    """A clock one in a thousand too slow, with noise (seed 1), shows as 0.001 within 2 %."""
    draw = random.Random(1)
    stamps_s = [i / 500 * 1.001 + draw.uniform(0, 0.0001) for i in range(2500)]
    assert schedule.rate_error_ratio(stamps_s, rate_rps=500) == pytest.approx(0.001, rel=0.02)


def test_schedule_with_a_lost_request_does_not_hold() -> None:
    """A server that saw fewer requests than were sent is no proof of anything."""
    finding, _ = schedule._judged([0.0] * 9, expected=10, result=result([]))
    assert not finding.holds
    assert "9 of 10" in finding.note


def test_stopped_true_latencies_hold() -> None:
    """Latency from the intended start: the reported p95 is the true one."""
    record = record_of(result(stalled(shown=True)), scenario(rate_rps=100, duration_s=10), run="x")
    finding = stopped.judged(record, stopped_s=4.0, resumed_s=6.0)
    assert finding.figures[0].value == pytest.approx(1, abs=0.001)
    assert finding.holds


def test_stopped_latencies_from_the_send_do_not_hold() -> None:
    """What a tool reports that waits before it sends: the check must refuse it."""
    record = record_of(result(stalled(shown=False)), scenario(rate_rps=100, duration_s=10), run="x")
    finding = stopped.judged(record, stopped_s=4.0, resumed_s=6.0)
    assert finding.figures[0].value == pytest.approx(0, abs=0.001)
    assert not finding.holds


def test_record_of_answers_is_valid_and_right() -> None:
    """The ledger written from the answers makes them right, so that shares are compared too."""
    rows = []
    for seq in range(100):
        body = {"sku": "oak-65", "price_cents": seq, "currency": "EUR", "price_ref": f"p{seq}", "stale": False}
        rows.append(row(seq, seq / 50, 0.04, body=body))
    chosen = scenario(rate_rps=50, duration_s=2, path="/quotes/{sku}")
    record = record_of(result(rows), chosen, run="x")
    compared = compare(record, record)
    assert (compared.verdict, compared.rows[0].before) == ("same", 100)


@pytest.mark.parametrize(
    ("figure", "holds", "target"),
    [
        (Figure("x_ms", 1.0, at_most=1), True, "≤ 1"),
        (Figure("x_ms", 1.1, at_most=1), False, "≤ 1"),
        (Figure("x_ratio", 0.9, at_least=0.97, at_most=1.05), False, "0.97–1.05"),
        (Figure("x_count", 0, at_least=0, at_most=0), True, "= 0"),
        (Figure("x_ratio", 0.4, at_least=0.5), False, "≥ 0.5"),
        (Figure("x_ms", None, at_most=1), False, "≤ 1"),
    ],
)
def test_figure_holds_its_target(figure: Figure, holds: bool, target: str) -> None:
    """Both ends count; what was not measured never holds."""
    assert (figure.holds, figure.target) == (holds, target)


def test_finding_without_figures_does_not_hold() -> None:
    """No data is never a pass."""
    assert not Finding(()).holds


def test_server_that_does_not_start_is_an_environment_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait has an end, and nothing is left running."""
    monkeypatch.setattr(server, "START_S", 0)
    started: list[psutil.Process] = []
    monkeypatch.setattr(server.Server, "resume", lambda made: started.append(psutil.Process(made.pid)))
    with pytest.raises(EnvironmentFault, match="own server did not start"):
        server.Server()
    assert not started[0].is_running()


def test_run_checks_unknown_name_lists_the_known() -> None:
    """And nothing is run before."""
    assert known() == ["identical", "schedule", "silent", "stopped"]
    with pytest.raises(Misuse, match="unknown check 'stoped', expected one of: identical, schedule, silent, stopped"):
        run_checks(["silent", "stoped"], say=lambda _: pytest.fail("a check was started"))
