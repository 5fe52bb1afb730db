"""From the account to rows, and the invariant over them."""

from typing import Any

import pytest

from labdriver.errors import LabError
from labdriver.load import spool
from labdriver.load.plan import Plan, plan
from labdriver.load.rows import build, check, generator, percentile
from labdriver.record import Row

T0_S = 1000.0


@pytest.fixture
def four(make_scenario: Any) -> Plan:
    """Four planned requests, 100 ms apart."""
    return plan(make_scenario(rate_rps=10, duration_s=0.4), seed=1)


@pytest.fixture
def rows(four: Plan) -> tuple[Row, ...]:
    """One of each outcome: ok, failed, hung, unsent."""
    data = b"".join(spool.started(seq, T0_S + seq / 10 + 0.001 * (seq + 1)) for seq in range(3))
    data += spool.finished(0, T0_S + 0.05, status=200, error="", body=b'{"price": 1}')
    data += spool.finished(1, T0_S + 0.15, status=503, error="", body=b"")
    return build(four, data, t0_mono_s=T0_S)


def test_build_gives_every_planned_request_its_outcome(rows: tuple[Row, ...]) -> None:
    """What was not answered is hung, what was not sent is unsent."""
    assert [row.outcome for row in rows] == ["ok", "failed", "hung", "unsent"]
    assert [row.status for row in rows] == [200, 503, 0, 0]
    assert [row.error for row in rows] == ["", "", "hung", "unsent"]
    assert [row.body for row in rows] == [{"price": 1}, None, None, None]
    assert rows[0].done_s == pytest.approx(0.05)
    assert rows[2].sent_s == pytest.approx(0.203)
    assert (rows[2].done_s, rows[3].sent_s) == (None, None)


@pytest.mark.parametrize("error", ["connect", "reset", "protocol"])
def test_build_an_error_without_status_is_failed(four: Plan, error: str) -> None:
    """Failed with its class."""
    data = spool.started(0, T0_S) + spool.finished(0, T0_S + 1, status=0, error=error, body=b"")
    row = build(four, data, t0_mono_s=T0_S)[0]
    assert (row.outcome, row.error) == ("failed", error)


@pytest.mark.parametrize("body", [b"{broken", b"[1]", b"text", b'{"a":' * 300, b"\xff\xfe{"])
def test_build_keeps_only_json_objects(four: Plan, body: bytes) -> None:
    """Anything else is no body for the books, and no error either."""
    data = spool.started(0, T0_S) + spool.finished(0, T0_S + 1, status=200, error="", body=body)
    row = build(four, data, t0_mono_s=T0_S)[0]
    assert (row.outcome, row.body) == ("ok", None)


@pytest.mark.parametrize("data", [spool.started(4, T0_S), spool.started(0, T0_S) * 2])
def test_build_a_damaged_account_is_an_error(four: Plan, data: bytes) -> None:
    """A request nobody planned, or one that was sent twice."""
    with pytest.raises(LabError, match="load process"):
        build(four, data, t0_mono_s=T0_S)


def test_check_holds_when_both_accounts_agree(rows: tuple[Row, ...]) -> None:
    """The child's counts and the rows say the same."""
    check(rows, planned=4, told={"ok": 1, "failed": 1, "hung": 1, "unsent": 1})


@pytest.mark.parametrize(
    ("planned", "told"),
    [(5, None), (4, {"ok": 2, "failed": 1, "hung": 0, "unsent": 1})],
)
def test_check_a_broken_invariant_is_an_error(rows: tuple[Row, ...], planned: int, told: dict[str, int] | None) -> None:
    """A lost row, or a child that counted otherwise."""
    with pytest.raises(LabError, match="next: run it again"):
        check(rows, planned=planned, told=told)


def test_generator_lag_comes_from_the_rows(rows: tuple[Row, ...]) -> None:
    """Lags of 1, 2 and 3 ms, whatever became of the requests."""
    made = generator(rows, {"pacing": "sleep", "cpu_ratio": 0.25, "stale_retries": 2})
    assert made is not None
    assert (made.lag_p50_ms, made.lag_p99_ms, made.lag_max_ms) == pytest.approx((2, 3, 3), abs=0.001)
    assert (made.pacing, made.cpu_ratio, made.stale_retries) == ("sleep", 0.25, 2)


def test_generator_without_a_sent_request_is_none(four: Plan) -> None:
    """No data is never a good generator."""
    assert generator(build(four, b"", t0_mono_s=T0_S), {"pacing": "sleep"}) is None


def test_percentile_is_nearest_rank() -> None:
    """p50 of four is the second, p95 of twenty the nineteenth, p100 the last."""
    assert percentile([1, 2, 3, 4], 50) == 2
    assert percentile(list(range(1, 21)), 95) == 19
    assert percentile([1, 2], 100) == 2
