"""Calls to other services: marked as the business's own, never an exception, time to come back understood."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from labsvc.live.calls import Calls
from labsvc.worlds import NO_ANSWER, Answer

Scene = Callable[[Calls, list[str]], Awaitable[None]]


def played(answer: str, scene: Scene) -> None:
    """Play a scene against a server that says one thing, or nothing at all."""

    async def play() -> None:
        heads: list[str] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                if answer:
                    writer.write(answer.replace("\n", "\r\n").encode())
                else:
                    await reader.read()
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        calls = Calls(api_url=url, worker_url="http://127.0.0.1:1")
        try:
            await scene(calls, heads)
        finally:
            await calls.close()
            server.close()
            await server.wait_closed()

    asyncio.run(play())


def test_call_is_marked() -> None:
    """The other side can tell the business from the load of a lab."""

    async def scene(calls: Calls, heads: list[str]) -> None:
        answer = await calls("api", "PUT", "/shop/orders/BW-1", body={"a": 1}, timeout_s=60)
        assert answer == Answer(201, {"number": "BW-1"})
        assert heads[0].startswith("PUT /shop/orders/BW-1 ")
        assert "x-lab-traffic: background" in heads[0].lower()

    played('HTTP/1.1 201 Created\ncontent-length: 18\n\n{"number": "BW-1"}', scene)


@pytest.mark.parametrize(("said", "heard_s"), [("7", 7.0), ("900", 60.0), ("Wed, 21 Oct", None), ("-3", 0.0)])
def test_retry_after_is_heard_within_reason(said: str, heard_s: float | None) -> None:
    """Seconds, at most a minute; a date or nonsense is none."""

    async def scene(calls: Calls, heads: list[str]) -> None:
        answer = await calls("api", "GET", "/quotes/cedar-60", timeout_s=60)
        assert answer == Answer(503, None, heard_s)

    played(f"HTTP/1.1 503 Away\nretry-after: {said}\ncontent-length: 4\n\noops", scene)


def test_silence_and_absence_are_answers_too() -> None:
    """Who does not answer, and who is not there."""

    async def scene(calls: Calls, heads: list[str]) -> None:
        assert await calls("api", "GET", "/", timeout_s=0.05) == Answer(NO_ANSWER, {"error": "timeout"})
        assert await calls("worker", "GET", "/", timeout_s=60) == Answer(NO_ANSWER, {"error": "ConnectError"})
        with pytest.raises(LookupError, match="api, worker"):
            await calls("depsim", "GET", "/", timeout_s=60)

    played("", scene)
