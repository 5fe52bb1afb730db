"""Records of the bulkheads lab, made from what became of each job. Times are seconds since t0."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from tests.driver.record_builder import scenario_of

from labdriver import lab
from labdriver.record import Call, Dependency, Generator, Head, Record, Row, Stack

DATABASE_EPOCH_S = 1_795_000_000.0  # t0 by the database's clock
END_S = 20.0
REQUESTS = {"fast": 0, "slow": 1}
OPERATIONS = {"fast": ("notice", "notice_ref", 0.03), "slow": ("report", "report_ref", 2.0)}


@dataclass(frozen=True)
class Made:
    """One job. By default it is begun at once, really done and recorded once."""

    due_s: float
    kind: Literal["fast", "slow"] = "fast"
    waits_s: float = 0.0  # None of its time in a slot
    ends: bool = True  # it is recorded as finished
    begins: bool = True
    calls: int = 1  # answers of the dependency for it
    finishes: int = 1
    early_s: float = 0.0  # recorded as finished this long before it was
    lies: dict[str, Any] | None = None  # what its result says otherwise
    kept: bool = True  # the database knows it
    answer: Literal["202", "500", "503", "hung", "empty"] = "202"


def record(jobs: Iterable[Made]) -> Record:
    """A whole run of the lab's own scenario with these requests only."""
    scenario = scenario_of("bulkheads")
    made = sorted(jobs, key=lambda job: job.due_s)
    rows = tuple(_row(seq, job, scenario) for seq, job in enumerate(made))
    calls = [call for seq, job in enumerate(made) for call in _calls(seq, job)]
    books = [_kept(seq, job) for seq, job in enumerate(made) if job.kept and job.answer == "202"]
    head = Head(
        lab="bulkheads",
        run="20261121T101500Z",
        by="alice",
        runtime="local",
        started_at="2026-11-21T10:15:00.000+00:00",
        scenario=scenario,
        ended="complete",
        load_s=END_S,
        end_s=END_S,
        generator=Generator(lag_p50_ms=0.1, lag_p99_ms=0.5, lag_max_ms=1, cpu_ratio=0.1, pacing="timerfd"),
        dependency=Dependency(intact=True, calls=len(calls), injected={}),
        stack=Stack(),
    )
    return Record(head, rows, (), tuple(calls), {"now_s": DATABASE_EPOCH_S + END_S, "jobs": books})


def steady(*, late_s: float = 0.0, slow: Iterable[Made] = ()) -> Record:
    """A fast job every tenth of a second of the whole run, all of them as late, and the slow ones given."""
    return record([*(Made(n / 10 + 0.01, waits_s=late_s) for n in range(198)), *slow])


def _done_s(job: Made) -> float:
    return job.due_s + 0.01 + job.waits_s + OPERATIONS[job.kind][2]


def _row(seq: int, job: Made, scenario: lab.Scenario) -> Row:
    starts, phase = 0.0, -1
    for index, one in enumerate(scenario.phases):
        if job.due_s >= starts:
            phase = index
        starts += one.duration_s
    done_s = job.due_s + 0.02
    row = Row(
        seq,
        phase,
        REQUESTS[job.kind],
        seq % 3,
        "/jobs",
        job.due_s,
        job.due_s,
        done_s,
        "ok",
        202,
        "",
        {"job": f"j{seq}"},
    )
    if job.answer == "500":
        return replace(row, outcome="failed", status=500, body={"error": "NameError: x", "where": "edit.py:38"})
    if job.answer == "503":
        return replace(row, outcome="failed", status=503, body=None)
    if job.answer == "hung":
        return replace(row, outcome="hung", status=0, error="hung", done_s=None, body=None)
    return row if job.answer == "202" else replace(row, body={})


def _calls(seq: int, job: Made) -> list[Call]:
    operation, reference, _ = OPERATIONS[job.kind]
    begun_s = job.due_s + 0.01 + job.waits_s
    return [
        Call(
            f"c{seq}-{n}",
            operation,
            f"j{seq}",
            "",
            begun_s,
            _done_s(job),
            "answered",
            {reference: f"r{seq}-{n}", "pages": 9},
        )
        for n in range(job.calls if job.begins else 0)
    ]


def _kept(seq: int, job: Made) -> dict[str, Any]:
    _, reference, _ = OPERATIONS[job.kind]

    def epoch(t_s: float, *, if_so: bool) -> float | None:
        return DATABASE_EPOCH_S + t_s if if_so else None

    return {
        "id": f"j{seq}",
        "kind": job.kind,
        "accepted_s": epoch(job.due_s + 0.01, if_so=True),
        "started_s": epoch(job.due_s + 0.01 + job.waits_s, if_so=job.begins),
        "finished_s": epoch(_done_s(job) - job.early_s, if_so=job.ends),
        "attempts": 1,
        "finishes": job.finishes if job.ends else 0,
        "result": {reference: f"r{seq}-0", "pages": 9, **(job.lies or {})} if job.ends else None,
    }
