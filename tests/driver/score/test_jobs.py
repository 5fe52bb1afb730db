"""Jobs: what the books accept, and what the rules on them give."""

from typing import Any

import pytest
from tests.driver.jobs_builder import Made, record, steady

from labdriver.record import Record
from labdriver.score import jobs
from labdriver.score.card import RuleResult, judge
from labdriver.score.evidence import gather, own_words

REPORTS = [Made(3.1 + n / 10, kind="slow", waits_s=n) for n in range(8)]  # one after the other


def rule(made: Record, rule_id: str) -> RuleResult:
    return next(result for result in judge(made).rules if result.id == rule_id)


@pytest.mark.parametrize(
    ("job", "label", "why"),
    [
        (Made(5), "good", ""),
        (Made(5, kind="slow"), "good", ""),
        (Made(5, answer="503"), "failed", "answered 503"),
        (Made(5, answer="500"), "failed", "answered 500: NameError: x (edit.py:38)"),
        (Made(5, answer="hung"), "failed", "no answer within 15.0 s"),
        (Made(5, answer="empty"), "dishonest", "answered 202 without a job"),
        (Made(5, kept=False), "dishonest", "is not in the database"),
        (Made(5, ends=False, begins=False), "failed", "never started, 15.0 s after it was accepted"),
        (Made(5, ends=False), "failed", "started at 5.0 s and not finished"),
        (Made(19.8, ends=False), "good", ""),
        (Made(16.5, kind="slow", ends=False), "good", ""),
        (Made(15.5, kind="slow", ends=False), "failed", "started at 15.5 s and not finished"),
        (Made(5, calls=0), "dishonest", "no answer of notice stands behind it"),
        (Made(5, lies={"notice_ref": "made up"}), "dishonest", "no answer of notice stands behind it"),
        (Made(5, lies={"pages": 1}), "dishonest", "pages is 1, notice said 9"),
        (Made(5, kind="slow", early_s=1.9), "dishonest", "recorded as finished 1.9 s before report had answered"),
        (Made(5, calls=2), "failed", "done 2 times"),
        (Made(5, finishes=2), "failed", "done 2 times"),
    ],
)
def test_books_label(job: Made, label: str, why: str) -> None:
    """Right only when accepted, kept, done for real, once, and in this order."""
    claim = next(c for c in gather(record([job, Made(1)])).claims if c.row.intended_s == job.due_s)
    assert claim.label == label
    assert why in claim.why


def test_a_result_of_another_job_is_false() -> None:
    """One report for everybody is no report."""
    made = record([Made(1), Made(2, lies={"notice_ref": "r0-0"})])
    assert [claim.label for claim in gather(made).claims] == ["good", "dishonest"]
    assert gather(made).claims[1].why == "recorded with the notice of job j0"


def test_a_job_counts_from_due_to_done_by_the_databases_clock() -> None:
    """The requests say how that clock stands to ours, however far away it is."""
    evidence = gather(record([Made(5, waits_s=1.5), Made(8)]))
    assert [round(evidence.latency_ms(claim.row)) for claim in evidence.claims] == [1540, 40]


def test_percentiles_are_of_what_people_wait_for() -> None:
    """A report of two seconds does not spoil the p95 of tickets; without a patience everything counts."""
    made = steady(slow=REPORTS)
    assert judge(made).metrics["p99_ms"] == 40
    rules = tuple(r.model_copy(update={"params": {}}) for r in made.head.scenario.rules)
    evidence = gather(made)
    unhurried = type(evidence)(
        Record(
            made.head.model_copy(update={"scenario": made.head.scenario.model_copy(update={"rules": rules})}),
            made.rows,
            made.samples,
            made.calls,
            made.books,
        ),
        evidence.claims,
    )
    assert len(unhurried.awaited) == len(evidence.claims) > len(evidence.awaited) == 198


def test_all_points_for_quick_fast_jobs_and_slow_ones_done() -> None:
    """The ideal run."""
    card = judge(steady(slow=REPORTS))
    assert (card.score, card.verdict) == (100, "VALID")


@pytest.mark.parametrize(("late_s", "points"), [(0.44, 45), (0.47, 0)])
def test_completion_counts_up_to_its_limit(late_s: float, points: float) -> None:
    """500 ms from due to done, 40 ms of which are the work."""
    assert rule(steady(late_s=late_s, slow=REPORTS), "fast-in-batch").points == points


def test_completion_is_linear_between_zero_and_full() -> None:
    """Of the 80 due in the batch, 70 in time: (0.875 - 0.8) / 0.15 of 45."""
    fast = [Made(n / 10 + 0.01, waits_s=2.0 if 40 <= n < 50 else 0.0) for n in range(198)]
    found = rule(record([*fast, *REPORTS]), "fast-in-batch")
    assert found.points == pytest.approx(22.5)
    assert "70 of 80 ticket jobs were done within 500 ms (88 %" in found.reason
    assert (len(found.lost), found.lost[0].what) == (10, "done, but after 2,040 ms")


def test_completion_tail_counts_unfinished_jobs_at_their_age() -> None:
    """A job that is never done is no quick one."""
    fast = [Made(n / 10 + 0.01, ends=n % 10 > 0) for n in range(198)]
    found = rule(record([*fast, *REPORTS]), "fast-tail")
    assert found.points == 0
    assert "≥" in found.reason


GATES: list[tuple[str, dict[str, Any], str]] = [
    ("the others are left undone", {"ends": False, "begins": False}, "only 0 % of the report jobs got done"),
    ("the others are made up", {"calls": 0}, "8 of 206 jobs were recorded as finished and were not done"),
]


@pytest.mark.parametrize(("case", "spoilt", "told"), GATES, ids=[gate[0] for gate in GATES])
@pytest.mark.parametrize("rule_id", ["fast-in-batch", "fast-tail"])
def test_quick_jobs_give_nothing_when(rule_id: str, case: str, spoilt: dict[str, Any], told: str) -> None:
    """Being quick is easy for who does not do the rest."""
    found = rule(steady(slow=[Made(3.1, kind="slow", **spoilt)] * 8), rule_id)
    assert found.points == 0
    assert told in found.reason


@pytest.mark.parametrize("rule_id", ["fast-in-batch", "fast-tail", "slots"])
def test_quick_jobs_give_nothing_when_too_many_run_at_once(rule_id: str) -> None:
    """Sixteen reports at once, and the worker has room for eight."""
    found = rule(steady(slow=[Made(3.1, kind="slow")] * 16), rule_id)
    assert found.points == 0
    assert "jobs ran at once" in found.reason


@pytest.mark.parametrize(("at_once", "points"), [(7, 5.0), (10, 3.1), (15, 0.0)])
def test_slots_are_counted_from_the_database(at_once: int, points: float) -> None:
    """The reports and the one ticket that is always there; linear from 8 to 16."""
    found = rule(steady(slow=[Made(3.1, kind="slow")] * at_once), "slots")
    assert found.points == points
    assert f"{at_once + 1} jobs ran at once" in found.reason


@pytest.mark.parametrize(("undone", "points"), [(0, 15.0), (2, 8.3), (4, 0.0)])
def test_slow_jobs_must_get_done_too(undone: int, points: float) -> None:
    """Linear from half of them to 95 %."""
    slow = [Made(3.1, kind="slow", waits_s=n, ends=n >= undone) for n in range(8)]
    found = rule(steady(slow=slow), "slow-done")
    assert found.points == points
    assert len(found.lost) == undone


def test_nothing_to_judge_gives_no_points() -> None:
    """A run without jobs has proved nothing."""
    card = judge(record([Made(5, answer="503"), Made(6, kind="slow", answer="503")]))
    assert {r.id: r.points for r in card.rules if r.id != "honest"} == dict.fromkeys(
        ("fast-in-batch", "fast-tail", "slow-done", "slots"), 0
    )


def test_jobs_that_never_end_are_no_honest_refusals() -> None:
    """Accepted and left lying is silence, and silence says nothing."""
    found = rule(record([Made(5, ends=False), Made(6, kind="slow", ends=False)]), "honest")
    assert (found.points, found.reason) == (0, "not evaluated: no request got any answer")


def test_waiting_and_running_are_read_from_the_books() -> None:
    """A queue of one for a second, then one in a slot for two."""
    known = jobs.of(record([Made(5, kind="slow", waits_s=1.0)])).values()
    assert [(round(t_s, 2), n) for t_s, n in jobs.waiting(known)] == [(5.01, 1), (6.01, 0)]
    assert [(round(t_s, 2), n) for t_s, n in jobs.running(known)] == [(6.01, 1), (8.01, 0)]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (steady(slow=REPORTS), "The slowest ticket job took 40 ms, and none was late"),
        (steady(late_s=3.0, slow=REPORTS), "198 of 198 were late"),
        (steady(slow=[Made(4, kind="slow", calls=0)]), "1 of 199 jobs were recorded as finished and were not done."),
        (steady(slow=[Made(4, kind="slow", ends=False)]), "1 of 1 report jobs never got done."),
    ],
)
def test_the_run_is_told_in_its_own_words(made: Record, told: str) -> None:
    """What held the slots, and what became of the others."""
    assert told in own_words(gather(made))
