"""The live business's requests: counted apart, marked all the way down, whatever lab code does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from labsvc import traffic
from labsvc.clients import Clients, MarkedTransport, Neighbours
from labsvc.health import Observed, Service
from labsvc.metrics import ROUTE, Metrics

MARK = {traffic.HEADER: traffic.BACKGROUND}
Ask = Callable[[httpx.AsyncClient], Awaitable[Any]]


class Seen(httpx.AsyncBaseTransport):
    """Remembers the mark of every call."""

    def __init__(self) -> None:
        self.marks: list[str | None] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.marks.append(request.headers.get(traffic.HEADER))
        return httpx.Response(200, json={})


def served(metrics: Metrics, ask: Ask) -> Any:
    """Talk to an app that tells whose request it has, also from a task that it starts; `/hang` waits for ever."""

    async def whose() -> str:
        return traffic.BACKGROUND if traffic.is_background() else traffic.LOAD

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope[ROUTE] = scope["path"]
        if scope["path"] == "/hang":
            await asyncio.Event().wait()
        told = f"{await whose()} {await asyncio.create_task(whose())}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": told})

    async def talk() -> Any:
        transport = httpx.ASGITransport(Observed(Service("api", "api-1", app, metrics)))
        async with httpx.AsyncClient(base_url="http://api.test", transport=transport) as http:
            return await ask(http)

    return asyncio.run(talk())


def figure(metrics: Metrics, line: str) -> float:
    """The value of one line of the metrics page, 0 when it is not there."""
    found = [text.rpartition(" ")[2] for text in metrics.text().decode().splitlines() if text.startswith(line + " ")]
    return float(found[0]) if found else 0.0


def test_each_side_is_counted_in_its_own_figures() -> None:
    """Two of the load, one of the live business: neither shows in the other's count."""
    metrics = Metrics()

    async def ask(http: httpx.AsyncClient) -> list[str]:
        answers = [await http.get("/x"), await http.get("/x", headers=MARK), await http.get("/x")]
        return [answer.text for answer in answers]

    assert served(metrics, ask) == ["load load", "background background", "load load"]
    labels = '{method="GET",route="/x",status="200"}'
    assert figure(metrics, f"labsvc_requests_total{labels}") == 2
    assert figure(metrics, f"labsvc_background_requests_total{labels}") == 1
    assert figure(metrics, "labsvc_background_request_seconds_count") == 1
    assert figure(metrics, "labsvc_background_request_seconds_sum") > 0


def test_open_requests_are_told_apart() -> None:
    """One of each hangs: each gauge shows one, and none afterwards."""
    metrics = Metrics()
    gauges = ("labsvc_requests_in_flight", "labsvc_background_requests_in_flight")

    async def ask(http: httpx.AsyncClient) -> list[float]:
        open_ones = [asyncio.create_task(http.get("/hang", headers=h)) for h in ({}, MARK)]
        async with asyncio.timeout(60):
            while sum(figure(metrics, gauge) for gauge in gauges) < 2:  # noqa: ASYNC110 - nothing to wait on but the state
                await asyncio.sleep(0)
        found = [figure(metrics, gauge) for gauge in gauges]
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)
        return found

    assert served(metrics, ask) == [1, 1]
    assert [figure(metrics, gauge) for gauge in gauges] == [0, 0]


@pytest.mark.parametrize("value", ["", "load", "backgroundx", "1"])
def test_any_other_value_is_the_load(value: str) -> None:
    """Only the mark itself marks."""

    async def ask(http: httpx.AsyncClient) -> str:
        return (await http.get("/x", headers={traffic.HEADER: value})).text

    assert served(Metrics(), ask) == "load load"


def test_calls_carry_the_mark_of_their_request_and_no_other() -> None:
    """Lab code can neither lose the mark nor set it for itself."""

    async def story() -> list[str | None]:
        seen = Seen()
        async with httpx.AsyncClient(base_url="http://depsim.test", transport=MarkedTransport(seen)) as client:
            await client.get("/pricing/x", headers=MARK)
            with traffic.marked(True):
                await client.get("/pricing/x")
                await asyncio.create_task(client.get("/pricing/x", headers={traffic.HEADER: "load"}))
                with traffic.marked(False):
                    await client.get("/pricing/x")
            await client.get("/pricing/x")
        return seen.marks

    assert asyncio.run(story()) == [None, traffic.BACKGROUND, traffic.BACKGROUND, None, None]


def test_dependencies_and_neighbours_both_pass_it_on() -> None:
    """Over a real connection, from either kind of client; the gauge of calls in flight is the load's alone."""
    metrics = Metrics()
    marks: list[bool] = []
    gauge = 'labsvc_dependency_calls_in_flight{operation="pricing"}'
    in_flight: list[float] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        marks.append(b"x-lab-traffic: background" in head)
        in_flight.append(figure(metrics, gauge))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def story() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            clients, neighbours = Clients(url, size=2, metrics=metrics), Neighbours({"estimator": url})
            for is_background in (False, True):
                with traffic.marked(is_background):
                    await clients("pricing").get("/pricing/x")
                    await neighbours("estimator").get("/x")
            await clients.close()
            await neighbours.close()

    asyncio.run(story())
    assert marks == [False, False, True, True]
    assert in_flight == [1, 0, 0, 0]
