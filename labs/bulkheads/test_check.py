"""A check of step 3 in seconds: no stack, no database, virtual time. Its failures are hints.

`make check LAB=bulkheads` runs it. Each test lets jobs come in, lets time pass, and looks at what became of them.
"""

import asyncio
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labsvc.testing import FakeDependency, Seen, answer, fake_deps, load_edit, load_service, run_virtual

LAB = Path(__file__).resolve().parent
FAST_S, SLOW_S = 0.03, 2.0  # how long the work of a job takes
PATIENCE_S = 0.5  # how long a fast job may take, waiting included
ROOM = 8  # jobs at once that the worker has memory for
LIMIT_S = 120.0

Arrival = tuple[float, str]  # when a job comes, in seconds, and its kind


@dataclass(frozen=True)
class Job:
    """What became of one job. Times are seconds since the first could come."""

    kind: str
    accepted_s: float
    started_s: float | None
    finished_s: float | None
    asked: list[Seen]  # the calls that were made for it
    result: dict[str, Any]


def shift(arrivals: Iterable[Arrival], *, lasts_s: float) -> list[Job]:
    """Let jobs come in, and see what stands in the books after `lasts_s` virtual seconds."""
    dependency = FakeDependency(always={"notice": answer(1000 * FAST_S), "report": answer(1000 * SLOW_S)})

    async def scene() -> list[Job]:
        deps, edit = fake_deps(dependency, role="worker"), load_edit(LAB)
        edit.work = watched(edit.work)
        working = await load_service(LAB).start(deps, edit)
        clock = asyncio.get_running_loop().time
        begun_s, begun_epoch_s = clock(), deps.clock.now_s()
        for at_s, kind in sorted(arrivals):
            await asyncio.sleep(max(0.0, begun_s + at_s - clock()))
            await deps.jobs.accept(kind, {"about": "a test"})
        await asyncio.sleep(max(0.0, begun_s + lasts_s - clock()))
        told = (await deps.jobs.recorded())["jobs"]
        await working.stop()
        return [_job(one, dependency, begun_epoch_s) for one in told]

    failures: list[str] = []

    def watched(work: Any) -> Any:
        async def watching(jobs: Any) -> None:
            try:
                await work(jobs)
                failures.append(
                    "work() came back, so nobody works jobs off: it must go on for as long as the worker runs"
                )
            except Exception as error:
                failures.append(_told(error))
                raise

        return watching

    jobs = run_virtual(scene(), limit_s=LIMIT_S)
    if failures:
        pytest.fail(failures[0])
    return jobs


def _told(error: BaseException) -> str:
    """The first real error inside what a task group raises, with the line of the edit."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).name == "edit.py"]
    return f"edit.py:{lines[-1] if lines else '?'}: {type(error).__name__}: {error}"


def _job(told: dict[str, Any], dependency: FakeDependency, begun_s: float) -> Job:
    times = [told[name] and told[name] - begun_s for name in ("accepted_s", "started_s", "finished_s")]
    asked = [seen for seen in dependency.seen if seen.key == told["id"]]
    return Job(told["kind"], *times, asked, dict(told["result"] or {}))


def of_kind(jobs: list[Job], kind: str) -> list[Job]:
    return [job for job in jobs if job.kind == kind]


def steadily(kind: str, *, every_s: float, until_s: float) -> list[Arrival]:
    return [(n * every_s, kind) for n in range(round(until_s / every_s))]


def running(jobs: list[Job], at_s: float) -> list[Job]:
    """Jobs that were being done at that time."""
    begun = [job for job in jobs if job.started_s is not None and job.started_s <= at_s]
    return [job for job in begun if job.finished_s is None or job.finished_s > at_s]


def test_a_fast_job_is_done_at_once_when_nothing_else_waits() -> None:
    """The ordinary case."""
    (job,) = shift([(0.0, "fast")], lasts_s=5)
    assert job.finished_s is not None, "one fast job came and was not done in 5 s: who claims the fast ones?"
    took_s = job.finished_s - job.accepted_s
    assert took_s < PATIENCE_S, f"the only job there was took {took_s:.1f} s: what did it wait for?"


def test_fast_jobs_do_not_wait_behind_slow_ones() -> None:
    """The heart of the lab."""
    jobs = shift([*[(0.0, "slow")] * 24, *((0.3 + n * 0.3, "fast") for n in range(20))], lasts_s=40)
    worst = max(of_kind(jobs, "fast"), key=lambda job: (job.finished_s or LIMIT_S) - job.accepted_s)
    waited_s = (worst.finished_s or 40) - worst.accepted_s
    slow = sum(job.kind == "slow" for job in running(jobs, worst.accepted_s))
    beside = f"{slow} slow jobs were running and " if slow else ""
    assert waited_s <= PATIENCE_S, (
        f"{beside}an acknowledgement waited {waited_s:.1f} s: which slots can a fast job count on, whatever else there "
        "is to do?"
    )


def test_no_more_jobs_run_at_once_than_there_is_room_for() -> None:
    """Each running report holds memory."""
    jobs = shift([*[(0.0, "slow")] * 40, *steadily("fast", every_s=0.1, until_s=3)], lasts_s=3)
    most = max((len(running(jobs, job.started_s)) for job in jobs if job.started_s is not None), default=0)
    assert most <= ROOM, f"{most} jobs ran at once, and there is room for {ROOM}: what bounds them?"


def test_slow_jobs_get_done_while_fast_ones_keep_coming() -> None:
    """Nobody is put off for ever."""
    jobs = shift([*[(0.0, "slow")] * 12, *steadily("fast", every_s=0.1, until_s=20)], lasts_s=20)
    slow = of_kind(jobs, "slow")
    started = [job for job in slow if job.started_s is not None]
    assert started, "a slow job was never started in 20 s, because fast ones kept coming: when is its turn?"
    done = [job for job in slow if job.finished_s is not None]
    assert len(done) == len(slow), (
        f"{len(slow)} slow jobs waited, and {len(done)} were done after 20 s, though each takes {SLOW_S:g} s: how many "
        "are written at a time?"
    )


def test_finished_means_done() -> None:
    """What is recorded is the result of the work, and the work was done once."""
    jobs = shift([(0.0, "slow"), (0.0, "fast"), (0.2, "slow")], lasts_s=12)
    for job in jobs:
        assert job.finished_s is not None, f"a {job.kind} job was not finished after 12 s with nothing else to do"
        answered = [seen for seen in job.asked if seen.answer is not None and seen.done_s is not None]
        assert answered, f"a {job.kind} job was recorded as finished, and its work was never done to its end"
        assert len(answered) == 1, f"a {job.kind} job was done {len(answered)} times: once is enough"
        missing = set(answered[0].answer or {}) - set(job.result)
        assert not missing, f"a {job.kind} job was finished with a result that lacks {', '.join(sorted(missing))}"


def test_the_work_goes_on() -> None:
    """Slots are used again."""
    jobs = shift(steadily("fast", every_s=0.2, until_s=10), lasts_s=12)
    left = sum(job.finished_s is None for job in jobs)
    assert not left, f"{left} of {len(jobs)} fast jobs were never done: does a slot claim the next job after the first?"
