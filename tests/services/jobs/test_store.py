"""What both stores promise: kept when accepted, claimed by one, finished once."""

import asyncio
from collections.abc import Sequence

from tests.services.jobs.conftest import Opened, run

from labsvc.jobs import Job, Store

KINDS = ("fast", "slow")
LEASE_S = 60.0


async def claimed(store: Store, holder: str, kinds: Sequence[str] = KINDS, *, lease_s: float = LEASE_S) -> Job:
    job = await store.claim(holder, kinds, lease_s=lease_s)
    assert job is not None
    return job


def test_the_job_that_waits_longest_is_claimed_first(opened: Opened) -> None:
    """In the order of acceptance, among the kinds that were asked for, with what it was accepted with."""

    async def scene(store: Store) -> None:
        await store.add("a", "slow", {"about": "oak"})
        await store.add("b", "fast", {"about": "4711"})
        await store.add("c", "slow", {})
        assert await store.waiting() == {"slow": 2, "fast": 1}
        assert await claimed(store, "me", ["fast"]) == Job("b", "fast", {"about": "4711"}, 1)
        assert await claimed(store, "me") == Job("a", "slow", {"about": "oak"}, 1)
        assert await store.claim("me", ["fast"], lease_s=LEASE_S) is None
        assert (await claimed(store, "me")).id == "c"
        assert await store.waiting() == {}

    run(opened, scene)


def test_a_job_is_claimed_by_one_of_many(opened: Opened) -> None:
    """Twenty claims at once share ten jobs without a double."""

    async def scene(store: Store) -> None:
        for n in range(10):
            await store.add(f"j{n}", "fast", {})
        got = await asyncio.gather(*(store.claim(f"w{n}", KINDS, lease_s=LEASE_S) for n in range(20)))
        assert sorted(job.id for job in got if job is not None) == [f"j{n}" for n in range(10)]

    run(opened, scene)


def test_effect_and_end_are_recorded_together_and_once(opened: Opened) -> None:
    """The first result stays; a second finish is counted and changes nothing."""

    async def scene(store: Store) -> None:
        await store.add("a", "fast", {})
        job = await claimed(store, "me")
        await store.begin(job, "me")
        assert await store.finish(job, "me", {"ref": 1})
        assert not await store.finish(job, "me", {"ref": 2})
        told = await store.recorded()
        (one,) = told["jobs"]
        assert (one["id"], one["kind"], one["attempts"], one["finishes"]) == ("a", "fast", 1, 2)
        assert one["result"] == {"ref": 1}
        assert one["accepted_s"] <= one["started_s"] <= one["finished_s"] <= told["now_s"]

    run(opened, scene)


def test_a_claim_that_ended_can_not_finish(opened: Opened) -> None:
    """Whoever lost a job to another worker, or to its own second attempt, records nothing."""

    async def scene(store: Store) -> None:
        await store.add("a", "fast", {})
        lost = await claimed(store, "dead", lease_s=-1)
        again = await claimed(store, "dead", lease_s=-1)
        last = await claimed(store, "alive")
        assert [lost.attempt, again.attempt, last.attempt] == [1, 2, 3]
        assert not await store.finish(lost, "dead", {"ref": 1})
        assert not await store.finish(again, "dead", {"ref": 2})
        assert await store.finish(last, "alive", {"ref": 3})
        (one,) = (await store.recorded())["jobs"]
        assert one["result"] == {"ref": 3}

    run(opened, scene)


def test_what_was_given_back_is_claimed_again(opened: Opened) -> None:
    """Only what the holder has not finished comes back."""

    async def scene(store: Store) -> None:
        for name in ("a", "b", "c"):
            await store.add(name, "fast", {})
        done, _, _ = [await claimed(store, who) for who in ("me", "me", "other")]
        await store.finish(done, "me", {})
        await store.release("me")
        assert (await claimed(store, "next")).id == "b"
        assert await store.claim("next", KINDS, lease_s=LEASE_S) is None

    run(opened, scene)


def test_a_lease_is_renewed_for_its_holder_only(opened: Opened) -> None:
    """A job that another has claimed meanwhile stays with the other."""

    async def scene(store: Store) -> None:
        await store.add("a", "fast", {})
        await claimed(store, "me", lease_s=-1)
        await store.renew("me", ["a"], lease_s=LEASE_S)
        assert await store.claim("other", KINDS, lease_s=LEASE_S) is None
        await store.renew("me", ["a"], lease_s=-1)
        taken = await claimed(store, "other", lease_s=-1)
        await store.renew("me", ["a"], lease_s=LEASE_S)
        assert (await claimed(store, "third")).attempt == taken.attempt + 1

    run(opened, scene)


def test_wiped_means_forgotten(opened: Opened) -> None:
    """A job in hand can not be finished into the next run's books."""

    async def scene(store: Store) -> None:
        await store.add("a", "fast", {})
        job = await claimed(store, "me")
        await store.wipe()
        assert not await store.finish(job, "me", {})
        assert (await store.recorded())["jobs"] == []

    run(opened, scene)


def test_nothing_is_kept_twice(opened: Opened) -> None:
    """A second `prepare` changes nothing."""

    async def scene(store: Store) -> None:
        await store.add("a", "fast", {})
        await asyncio.gather(*(store.prepare() for _ in range(3)))
        assert await store.waiting() == {"fast": 1}

    run(opened, scene)


def test_jobs_of_the_live_business_come_last_and_stand_in_no_books(opened: Opened) -> None:
    """Nobody of the load waits for them; they are claimed and finished like all others."""

    async def scene(store: Store) -> None:
        await store.add("b", "fast", {"traffic": "background", "about": None})
        await store.add("a", "fast", {"about": {"traffic": "background"}})
        for name in ("a", "b"):
            job = await claimed(store, "me")
            assert (job.id, job.is_background) == (name, name == "b")
            assert await store.finish(job, "me", {})
        assert [job["id"] for job in (await store.recorded())["jobs"]] == ["a"]

    run(opened, scene)
