"""The desk in virtual time: work goes on, is started again when it fails, and gives back what it held."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from labsvc import traffic
from labsvc.jobs import Job
from labsvc.jobs.desk import PAUSE_S, Desk
from labsvc.jobs.memory import MemoryStore
from labsvc.jobs.session import Session
from labsvc.virtual import run_virtual

Work = Callable[[Session], Awaitable[None]]


async def quick(job: Job) -> Mapping[str, Any]:
    await asyncio.sleep(0.03)
    return {"job": job.id}


async def steady(jobs: Session) -> None:
    """One slot for everything."""
    while True:
        job = await jobs.claim("fast", "slow")
        await jobs.finish(job, await jobs.perform(job))


def play(work: Work, scene: Callable[[Desk, MemoryStore], Awaitable[Any]]) -> Any:
    """Play a scene beside work that has been started."""

    async def played() -> Any:
        store = MemoryStore()
        desk = await Desk(store).start(work, {"fast": quick, "slow": quick})
        try:
            return await scene(desk, store)
        finally:
            await desk.stop()

    return run_virtual(played())


def test_a_job_is_begun_as_soon_as_it_is_accepted() -> None:
    """Whoever waits is woken; no tick is waited for."""

    async def scene(desk: Desk, store: MemoryStore) -> None:
        await asyncio.sleep(0.35)
        job_id = await desk.accept("fast", {})
        await asyncio.sleep(0.031)
        kept = store.kept[job_id]
        assert kept.finished_s is not None
        assert kept.finished_s - kept.accepted_s == pytest.approx(0.03, abs=1e-6)

    play(steady, scene)


def test_a_call_that_came_too_late_is_passed_on() -> None:
    """Two slots wait, two jobs come at once, and both slots get one."""

    async def two(jobs: Session) -> None:
        await asyncio.gather(steady(jobs), steady(jobs))

    async def scene(desk: Desk, store: MemoryStore) -> None:
        await asyncio.sleep(0.1)
        await asyncio.gather(*(desk.accept("fast", {}) for _ in range(4)))
        await asyncio.sleep(0.061)
        assert [kept.finished_s is not None for kept in store.kept.values()] == [True] * 4

    play(two, scene)


def test_jobs_of_a_worker_that_died_are_claimed_after_their_lease() -> None:
    """Nobody calls for them: the tick finds them."""

    async def scene(desk: Desk, store: MemoryStore) -> None:
        await store.add("left", "fast", {})
        assert await store.claim("dead", ["fast"], lease_s=3) is not None
        await asyncio.sleep(2.9)
        assert store.kept["left"].finished_s is None
        await asyncio.sleep(2)
        assert (store.kept["left"].attempts, store.kept["left"].finishes) == (2, 1)

    play(steady, scene)


def test_what_is_in_hand_is_held_as_long_as_it_takes() -> None:
    """A job that takes longer than a lease is not done twice."""

    async def long(job: Job) -> Mapping[str, Any]:
        await asyncio.sleep(20)
        return {}

    async def scene() -> None:
        store = MemoryStore()
        desk = await Desk(store).start(steady, {"fast": quick, "slow": long})
        job_id = await desk.accept("slow", {})
        await asyncio.sleep(19)
        assert await store.claim("other", ["slow"], lease_s=3) is None
        await asyncio.sleep(2)
        assert (store.kept[job_id].attempts, store.kept[job_id].finishes) == (1, 1)
        await desk.stop()

    run_virtual(scene())


def test_a_claim_that_was_cancelled_half_way_is_not_held() -> None:
    """The database had given the job away, and nobody took it: it comes back by itself."""

    class Slow(MemoryStore):
        async def claim(self, holder: str, kinds: Any, *, lease_s: float) -> Job | None:
            job = await super().claim(holder, kinds, lease_s=lease_s)
            await asyncio.sleep(0.2)
            return job

    async def impatient(jobs: Session) -> None:
        try:
            await asyncio.wait_for(jobs.claim("fast"), 0.1)
        except TimeoutError:
            await steady(jobs)

    async def scene() -> None:
        store = Slow()
        await store.add("a", "fast", {})
        desk = await Desk(store).start(impatient, {"fast": quick, "slow": quick})
        await asyncio.sleep(6)
        assert (store.kept["a"].attempts, store.kept["a"].finishes) == (2, 1)
        await desk.stop()

    run_virtual(scene())


def test_stop_gives_back_what_is_not_finished() -> None:
    """The next worker claims it at once, without waiting for a lease."""

    async def scene(desk: Desk, store: MemoryStore) -> None:
        job_id = await desk.accept("fast", {})
        await asyncio.sleep(0.01)
        assert store.kept[job_id].started_s is not None
        await desk.stop()
        assert store.kept[job_id].finished_s is None
        assert await store.waiting() == {"fast": 1}

    play(steady, scene)


def test_work_that_fails_is_told_and_started_again() -> None:
    """What it held comes back; nothing is lost by a mistake in an edit."""
    failed: list[str] = []

    async def shaky(jobs: Session) -> None:
        async with asyncio.TaskGroup() as pool:
            pool.create_task(once(jobs))

    async def once(jobs: Session) -> None:
        job = await jobs.claim("fast")
        if not failed:
            failed.append(job.id)
            raise KeyError("a mistake")
        await jobs.finish(job, await jobs.perform(job))
        await asyncio.sleep(60)

    async def scene(desk: Desk, store: MemoryStore) -> None:
        job_id = await desk.accept("fast", {})
        await asyncio.sleep(PAUSE_S / 2)
        assert isinstance(desk.failure, KeyError)
        await asyncio.sleep(PAUSE_S)
        assert desk.failure is None
        assert store.kept[job_id].finishes == 1

    play(shaky, scene)


def test_a_new_database_is_given_its_tables() -> None:
    """On a cluster the tables go with the database's pod: the work fails, and is made possible again."""

    class Replaced(MemoryStore):
        has_tables = False

        async def prepare(self) -> None:
            self.has_tables = True

        async def claim(self, holder: str, kinds: Sequence[str], *, lease_s: float) -> Job | None:
            if not self.has_tables:
                raise LookupError("no table jobs")
            return await super().claim(holder, kinds, lease_s=lease_s)

    async def scene() -> None:
        store = Replaced()
        desk = await Desk(store).start(steady, {"fast": quick, "slow": quick})
        store.has_tables = False
        job_id = await desk.accept("fast", {})
        await asyncio.sleep(3 * PAUSE_S)
        assert store.kept[job_id].finishes == 1
        await desk.stop()

    run_virtual(scene())


def test_work_that_comes_back_is_a_failure() -> None:
    """Else jobs would be accepted for nobody."""

    async def forgetful(jobs: Session) -> None:
        return

    async def scene(desk: Desk, store: MemoryStore) -> None:
        await asyncio.sleep(PAUSE_S / 2)
        assert "nobody works jobs off" in str(desk.failure)

    play(forgetful, scene)


def test_restart_empty_frees_every_slot() -> None:
    """What ran for older jobs is gone, even when it was left running in a task of its own."""
    strays: list[asyncio.Task[None]] = []

    async def careless(jobs: Session) -> None:
        strays.append(asyncio.create_task(steady(jobs)))
        await asyncio.sleep(1e9)

    async def scene(desk: Desk, store: MemoryStore) -> None:
        old = await desk.accept("fast", {})
        await asyncio.sleep(0.01)
        await desk.restart_empty()
        assert old not in store.kept
        new = await desk.accept("fast", {})
        await asyncio.sleep(0.1)
        assert (store.kept[new].attempts, store.kept[new].finishes) == (1, 1)
        assert [task.done() for task in strays] == [True, False]
        strays[-1].cancel()

    play(careless, scene)


@pytest.mark.parametrize("kinds", [("quick",), (), ("fast", "slower")])
def test_an_unknown_kind_is_refused_with_the_known_ones(kinds: tuple[str, ...]) -> None:
    """A misspelt kind would wait for ever."""

    async def scene(desk: Desk, store: MemoryStore) -> None:
        jobs = Session(store, {"fast": quick, "slow": quick})
        with pytest.raises(ValueError, match="expected one or more of: fast, slow"):
            await jobs.claim(*kinds)
        with pytest.raises(ValueError, match="expected one or more of: fast, slow"):
            await jobs.waiting(*kinds)

    play(steady, scene)


def test_a_job_keeps_whose_it_is() -> None:
    """Accepted for the live business, it is performed for it, whoever works it off, and after the load."""
    performed: list[tuple[Any, bool]] = []

    async def noting(job: Job) -> Mapping[str, Any]:
        performed.append((job.about["n"], traffic.is_background()))
        return {}

    async def scene() -> dict[str, Any]:
        desk = await Desk(MemoryStore()).start(steady, {"fast": noting, "slow": noting})
        for n, is_background in enumerate((True, False)):
            with traffic.marked(is_background):
                await desk.accept("fast", {"n": n})
        await asyncio.sleep(1)
        await desk.stop()
        return await desk.recorded()

    assert len(run_virtual(scene())["jobs"]) == 1
    assert performed == [(1, False), (0, True)]  # the load goes first
