"""The dependency in memory behaves like the real one, in virtual time."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from labsvc.deps import Reply, Request
from labsvc.testing import (
    FakeDependency,
    Step,
    answer,
    drop,
    error,
    fake_deps,
    hang,
    respond,
    run_virtual,
    trickle,
    unreachable,
)


def call(dependency: FakeDependency, *, timeout: httpx.Timeout | float | None = None) -> tuple[str, float]:
    """What one call came to (status or exception) and how long it took."""

    async def ask() -> tuple[str, float]:
        try:
            told = str((await dependency.client().get("/pricing/oak-65", timeout=timeout)).status_code)
        except httpx.HTTPError as raised:
            told = type(raised).__name__
        return told, round(time.monotonic(), 6)

    return run_virtual(ask())


@pytest.mark.parametrize(
    ("step", "timeout_s", "told", "took_s"),
    [
        (answer(after_ms=40), None, "200", 0.04),
        (answer(after_ms=400), 0.3, "ReadTimeout", 0.3),
        (hang(), 0.3, "ReadTimeout", 0.3),
        (error(503, after_ms=10), 0.3, "503", 0.01),
        (drop(after_ms=10), 0.3, "RemoteProtocolError", 0.01),
        (unreachable(), 0.3, "ConnectTimeout", 0.3),
    ],
    ids=lambda value: value.kind if isinstance(value, Step) else None,
)
def test_a_step_ends_as_httpx_would_tell_it(step: Step, timeout_s: float | None, told: str, took_s: float) -> None:
    """Timeouts are honoured after their virtual time, with httpx's own exceptions."""
    assert call(FakeDependency(step), timeout=timeout_s) == (told, took_s)


def test_a_timeout_on_connecting_only_does_not_end_a_hang() -> None:
    """The limits of httpx are separate: this is a wrong fix of the lab."""
    with pytest.raises(TimeoutError, match="still waiting"):
        call(FakeDependency(hang()), timeout=httpx.Timeout(None, connect=0.1))


def test_a_trickle_outlives_a_read_timeout() -> None:
    """Every read takes 200 ms, all of them many seconds; the answer is whole in the end."""
    dependency = FakeDependency(trickle(every_ms=200))
    told, took_s = call(dependency, timeout=0.3)
    assert (told, took_s > 10, dependency.seen[0].outcome) == ("200", True, "trickle")


def test_a_used_up_pool_makes_calls_wait() -> None:
    """With one connection held by a hang, the next call waits for it, up to the pool timeout."""

    async def two() -> str:
        dependency = FakeDependency(hang(), answer(), pool_size=1)
        client = dependency.client()
        first = asyncio.ensure_future(client.get("/pricing/a"))
        await asyncio.sleep(0.01)
        try:
            with pytest.raises(httpx.PoolTimeout):
                await client.get("/pricing/b", timeout=httpx.Timeout(None, pool=0.5))
        finally:
            first.cancel()
        return f"{time.monotonic():.2f} {len(dependency.seen)} {dependency.most_at_once}"

    assert run_virtual(two()) == "0.51 1 1"


def test_steps_are_used_up_one_a_call_and_the_last_one_stays() -> None:
    """So a script can begin with a fault and end well."""
    dependency = FakeDependency(error(500), answer())
    assert [call(dependency)[0] for _ in range(3)] == ["500", "200", "200"]
    assert [seen.n for seen in dependency.seen] == [1, 2, 3]


def test_an_operation_may_always_meet_the_same_step() -> None:
    """Whatever the steps say, and without using them up."""

    async def scene() -> list[int]:
        dependency = FakeDependency(answer(), error(500), always={"report": error(503)})
        async with dependency.client() as client:
            return [
                (await client.get(path)).status_code for path in ("/report/1", "/pricing/a", "/report/2", "/pricing/b")
            ]

    assert run_virtual(scene()) == [503, 200, 503, 500]


def test_respond_answers_with_the_code_of_a_lab(tmp_path: Path) -> None:
    """Given code and edit file are loaded as they are on disk; parameters come from the path."""
    (tmp_path / "scenario.yaml").write_text("edit: edit.py")
    (tmp_path / "edit.py").write_text(
        "async def ask(client, key):\n    return (await client.get('/pricing/' + key)).json()\n"
    )
    (tmp_path / "service.py").write_text(
        "from labsvc.deps import Reply, Route\n"
        "def routes(deps, edit):\n"
        "    async def price(request):\n"
        "        return Reply(200, await edit.ask(deps.dependency('pricing'), request.params['sku']))\n"
        "    return [Route('GET', '/prices/{sku}', price)]\n"
    )

    async def ask() -> Reply:
        return await respond(fake_deps(FakeDependency()), tmp_path, Request("GET", "/prices/elm-20"))

    reply = run_virtual(ask())
    assert (reply.status, reply.body["sku"]) == (200, "elm-20")
