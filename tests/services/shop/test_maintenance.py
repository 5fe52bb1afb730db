"""Maintenance: every replica turns everybody away, with the time to come back; it ends by itself."""

import asyncio

import httpx
import pytest
from tests.services.shop.conftest import Front, Play, wiped

from labsvc.health import Observed, Service
from labsvc.rest import Refused
from labsvc.shop.maintenance import Maintenance

DEADLINE_S = 60.0


async def until(front: Front, *, is_on: bool) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while (front.shop.told()["maintenance"] is not None) != is_on:  # noqa: ASYNC110 - nothing to wait on but the state
            await asyncio.sleep(0.01)


def refused(front: Front) -> float:
    lines = front.metrics.text().decode().splitlines()
    return float(next(line for line in lines if line.startswith("labsvc_maintenance_refused_total")).rpartition(" ")[2])


def test_a_new_database_is_given_its_tables(play: Play) -> None:
    """On a cluster they go with the database's pod; the next look makes them again."""

    async def story(front: Front) -> None:
        async with front.pool.connection() as connection:
            await connection.execute("DROP SCHEMA shop CASCADE")
        async with asyncio.timeout(DEADLINE_S):
            while (await front.http.get("/shop/books")).status_code != 200:  # noqa: ASYNC110 - nothing to wait on but the state
                await asyncio.sleep(0.01)
        assert (await front.put("FH-1")).status_code == 201

    play(story)


def test_every_replica_turns_everybody_away_until_it_is_ended(play_two: Play) -> None:
    """Begun at one, known to both; 503 with whole seconds on labs and shop; ended at the other."""

    async def story(one: Front, other: Front) -> None:
        begun = await one.http.put("/shop/maintenance", json={"for_s": 600, "why": "new roof"})
        assert begun.json()["maintenance"]["why"] == "new roof"
        await until(other, is_on=True)
        for front in (one, other):
            for path in ("/quotes/x", "/shop/books"):
                answer = await front.http.get(path)
                assert (answer.status_code, answer.headers["content-type"]) == (503, "application/json")
                assert 300 < int(answer.headers["retry-after"]) <= 600
                assert answer.json()["error"].startswith("maintenance (new roof), back in ")
            assert (await front.http.get("/shop/maintenance")).json()["maintenance"]["left_s"] > 300
        await one.http.get("/quotes/x", headers={"x-lab-traffic": "background"})
        ended = await other.http.delete("/shop/maintenance")
        assert (ended.status_code, ended.json()) == (200, {"maintenance": None})
        await until(one, is_on=False)
        assert (await one.http.get("/quotes/x")).text == "a lab"

    play_two(story)


def test_it_ends_by_itself_without_postgres(play: Play) -> None:
    """Nobody has to end it, and nobody has to be asked: the replica's own clock does."""

    async def story(front: Front) -> None:
        await front.http.put("/shop/maintenance", json={"for_s": 600, "why": "long"})
        await front.shop.stop()  # it looks no more
        assert (await front.http.get("/quotes/x")).status_code == 503
        front.shop._maintenance._know((0.2, "nearly over"))
        await until(front, is_on=False)
        assert (await front.http.get("/quotes/x")).status_code == 200

    play(story)


def test_a_second_one_takes_the_place_of_the_first_and_a_reset_ends_it(play: Play, database_url: str) -> None:
    """There is one at a time; empty tables mean none."""

    async def story(front: Front) -> None:
        await front.http.put("/shop/maintenance", json={"for_s": 600, "why": "long"})
        told = (await front.http.put("/shop/maintenance", json={"for_s": 300, "why": "shorter"})).json()["maintenance"]
        assert (told["why"], told["left_s"] <= 300) == ("shorter", True)
        await wiped(database_url)
        await until(front, is_on=False)

    play(story)


def test_readiness_tells_it_and_stays_ready(play: Play) -> None:
    """Health, readiness and metrics answer throughout; only the load's refusals are counted."""

    async def story(front: Front) -> None:
        service = Service("api", "api-1", front.shop.before(_nobody), front.metrics, also=front.shop.told)
        transport = httpx.ASGITransport(Observed(service))
        async with httpx.AsyncClient(base_url="http://api.test", transport=transport) as http:
            assert (await http.get("/readyz")).json()["maintenance"] is None
            await http.put("/shop/maintenance", json={"for_s": 600, "why": "new roof"})
            told = await http.get("/readyz")
            lasting = told.json()["maintenance"]
            assert (told.status_code, told.json()["ready"], lasting["why"]) == (200, True, "new roof")
            assert {"until_s", "left_s"} < set(lasting)
            assert (await http.get("/healthz")).status_code == 200
            before = refused(front)
            await http.get("/quotes/x")
            await http.get("/quotes/x", headers={"x-lab-traffic": "background"})
            assert refused(front) - before == 1
            text = (await http.get("/metrics")).text
            left = next(line for line in text.splitlines() if line.startswith("labsvc_maintenance_left_seconds"))
            assert 0 < float(left.rpartition(" ")[2]) <= 600
            assert 'route="maintenance",status="503"' in text

    play(story)


def test_a_used_up_pool_does_not_keep_maintenance_from_beginning(play: Play) -> None:
    """It has a connection of its own; and what is known holds while that one is cut."""

    async def story(front: Front) -> None:
        held = [await front.pool.getconn() for _ in range(front.pool.max_size)]
        answer = await front.http.put("/shop/maintenance", json={"for_s": 600, "why": "x"})
        assert answer.status_code == 200
        for connection in held:
            await front.pool.putconn(connection)

    play(story)


def test_what_is_known_holds_while_postgres_is_silent() -> None:
    """A look that finds nobody changes nothing; beginning one is refused."""

    async def story() -> None:
        known = Maintenance("postgresql://postgres@127.0.0.1:1/postgres")
        known._know((600.0, "x"))
        await known.look()
        assert known.left_s > 300
        with pytest.raises(Refused) as caught:
            await known.begin(5, "y")
        assert (caught.value.status, caught.value.retry_after_s) == (503, 1.0)

    asyncio.run(story())


async def _nobody(scope: object, receive: object, send: object) -> None:
    raise AssertionError("the lab was reached")
