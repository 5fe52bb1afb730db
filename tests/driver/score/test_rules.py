"""Rules on evidence of a few requests, with the expected arithmetic beside each."""

from dataclasses import replace

import pytest
from tests.driver.record_builder import build
from tests.driver.strategies import refuse_all

from labdriver.record import Outcome, Row
from labdriver.score.evidence import Claim, Evidence, Label, percentile
from labdriver.score.rule import linear, percent
from labdriver.score.rules import even, honest, hung, latency, success

EMPTY = replace(build(refuse_all), rows=())


def claims(
    count: int, label: Label = "good", *, t_s: float = 1.0, ms: float | None = 50, client: int = 0
) -> list[Claim]:
    """`count` claims due at `t_s` and answered after `ms`; None: never answered. The run ends at 23 s."""
    phase = 0 if t_s < 6 else 1 if t_s < 14 else 2
    outcome: Outcome = "hung" if ms is None else "failed" if label == "failed" else "ok"
    status = 0 if ms is None else 503 if label == "failed" else 200
    done_s = None if ms is None else t_s + ms / 1000
    row = Row(0, phase, 0, client, "/quotes/oak-65", t_s, t_s, done_s, outcome, status, "", None)
    return [Claim(replace(row, seq=seq), label, "" if label == "good" else label) for seq in range(count)]


def evidence(*parts: list[Claim]) -> Evidence:
    made = tuple(claim for part in parts for claim in part)
    return Evidence(replace(EMPTY, rows=tuple(claim.row for claim in made)), made)


HALF = success.SuccessParams(kinds=("healthy",), zero_ratio=0.5, full_ratio=1.0, within_ms=1000)


@pytest.mark.parametrize(("good", "expected"), [(100, 1.0), (75, 0.5), (50, 0.0), (20, 0.0)])
def test_success_is_linear_between_its_ratios(good: int, expected: float) -> None:
    """75 of 100 between 50 % and 100 % is half the points."""
    judged = success.evaluate(evidence(claims(good), claims(100 - good, "failed")), HALF)
    assert judged.share == pytest.approx(expected)


def test_success_counts_late_and_false_answers_as_lost() -> None:
    """Right after 1.2 s is lost at a limit of 1 s; degraded counts; false does not."""
    judged = success.evaluate(
        evidence(claims(70), claims(5, "degraded"), claims(15, ms=1200), claims(10, "dishonest")), HALF
    )
    assert judged.share == pytest.approx((0.75 - 0.5) / 0.5)
    assert len(judged.lost) == 25
    assert "right, but after 1,200 ms" in {lost.what for lost in judged.lost}


def test_success_looks_at_its_phases_only_and_skips_their_start() -> None:
    """Recovery begins at 14 s; with skip_s 2 a failure at 15 s is not counted, one at 16.5 s is."""
    params = success.SuccessParams(kinds=("recovery",), zero_ratio=0, full_ratio=1, within_ms=1000, skip_s=2)
    seen = evidence(
        claims(9, "failed", t_s=1), claims(9, "failed", t_s=15), claims(1, "failed", t_s=16.5), claims(3, t_s=17)
    )
    assert success.evaluate(seen, params).share == pytest.approx(3 / 4)


LIMITS = {"needs_ok_ratio": 0.5, "allows_false_ratio": 0.01}
P95 = latency.LatencyParams(percentile=95, full_ms=1000, zero_ms=3000, **LIMITS)
HUNG = hung.HungParams(limit_ms=3000, zero_ratio=0.1, **LIMITS)


@pytest.mark.parametrize(("slow", "ms", "expected"), [(5, 9000, 1.0), (6, 2000, 0.5), (6, 3500, 0.0), (6, None, 0.0)])
def test_latency_judges_the_percentile_with_hung_at_their_age(slow: int, ms: float | None, expected: float) -> None:
    """Of 100, the 95th: 5 slow ones do not reach it, 6 do; 2 s lies midway between 1 s and 3 s."""
    assert latency.evaluate(evidence(claims(100 - slow), claims(slow, ms=ms)), P95).share == pytest.approx(expected)


@pytest.mark.parametrize(("slow", "expected"), [(0, 1.0), (5, 0.5), (10, 0.0)])
def test_hung_counts_unanswered_and_very_late(slow: int, expected: float) -> None:
    """5 of 100 at a zero of 10 % is half; an answer after 3 s is as good as none."""
    for ms in (None, 3100.0):
        assert hung.evaluate(evidence(claims(100 - slow), claims(slow, ms=ms)), HUNG).share == pytest.approx(expected)


def test_hung_counts_a_crash_where_the_lab_says_so() -> None:
    """A 503 is told on purpose, a 500 is not: 5 of 100 at a zero of 10 % is half."""
    refused = claims(5, "failed")
    crashed = [replace(claim, row=replace(claim.row, status=500)) for claim in refused]
    params = HUNG.model_copy(update={"crash_statuses": (500,)})
    assert hung.evaluate(evidence(claims(95), refused), params).share == 1
    judged = hung.evaluate(evidence(claims(95), crashed), params)
    assert judged.share == pytest.approx(0.5)
    assert "5 of them because the service fell over" in judged.reason
    assert hung.evaluate(evidence(claims(95), crashed), HUNG).share == 1


@pytest.mark.parametrize("judge", [lambda e: latency.evaluate(e, P95), lambda e: hung.evaluate(e, HUNG)])
def test_speed_without_right_answers_gives_nothing(judge) -> None:  # type: ignore[no-untyped-def]
    """Refusing most is fast; lying to a few is too. Neither is an answer."""
    refused = judge(evidence(claims(49), claims(51, "failed")))
    assert (refused.share, "fast failing alone is not an answer" in refused.reason) == (0, True)
    lied = judge(evidence(claims(98), claims(2, "dishonest")))
    assert (lied.share, "a quick lie is not an answer" in lied.reason) == (0, True)
    assert judge(evidence(claims(99), claims(1, "dishonest"))).share == 1


def test_honest_judges_claims_and_spares_refusals() -> None:
    """1 false of 200 claims at a zero of 1 % is half; refusals are honest; silence is not evaluated."""
    params = honest.HonestParams(zero_ratio=0.01)
    assert honest.evaluate(evidence(claims(199), claims(1, "dishonest"), claims(50, "failed")), params).share == 0.5
    assert honest.evaluate(evidence(claims(9, "failed")), params).share == 1
    silent = honest.evaluate(evidence(claims(9, "failed", ms=None)), params)
    assert (silent.share, len(silent.lost)) == (None, 9)


def test_even_allows_chance_and_refuses_favour() -> None:
    """A gap of 5 points between callers is chance; one kind without any right answer is not."""
    params = even.EvenParams()
    crowd = [claims(90, client=0), claims(10, "failed", client=0)]
    near = evidence(*crowd, claims(17, client=1), claims(3, "failed", client=1))
    far = evidence(*crowd, claims(20, "failed", client=1))
    assert even.evaluate(near, params).share == 1
    judged = even.evaluate(far, params)
    assert (judged.share, len(judged.lost)) == (0, 20)
    assert "browser 90 % right, the others 0 %" in judged.reason
    assert even.evaluate(evidence(claims(20)), params).share is None


def test_z_score_of_two_proportions() -> None:
    """0.6 of 50 against 0.4 of 50: pooled 0.5, error 0.1, z = 2."""
    assert even.z_score(0.6, 50, 0.4, 50) == pytest.approx(2.0)
    assert even.z_score(1.0, 50, 1.0, 5) == 0


def test_percentile_is_nearest_rank_and_knows_its_bound() -> None:
    """The 95th of 100 is the 95th smallest; an unanswered request at or below it makes it a lower bound."""
    exact = [(float(i), False) for i in range(1, 101)]
    assert percentile(exact, 95) is not None
    assert (percentile(exact, 95).value_s, percentile(exact, 95).censored) == (95, False)  # type: ignore[union-attr]
    assert percentile([*exact[:-1], (0.5, True)], 95).censored  # type: ignore[union-attr]
    assert not percentile([*exact[:-1], (200.0, True)], 95).censored  # type: ignore[union-attr]
    assert percentile([], 95) is None


def test_linear_and_percent_at_their_edges() -> None:
    """Flat outside, either direction; a share that is neither nothing nor all never reads as such."""
    assert [linear(v, zero=3, full=1) for v in (4, 3, 2, 1, 0)] == [0, 0, 0.5, 1, 1]
    assert [percent(r) for r in (0, 0.0004, 0.5, 0.9996, 1)] == ["0 %", "0.1 %", "50 %", "99.9 %", "100 %"]
