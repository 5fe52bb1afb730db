"""The httpx clients that lab code gets: one shared pool of connections, no timeout, every call counted.

No timeout on purpose: a missing one must really exhaust the pool. The mark of the live business goes with every call,
whatever headers lab code sets. Knows addresses only.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx

from labsvc import traffic
from labsvc.metrics import Metrics

UNLIMITED = httpx.Limits(max_connections=None, max_keepalive_connections=0)
KEEPALIVE_S = 30.0  # shorter than the server's 75 s, so that no call meets a connection that is being closed


class Slots(httpx.AsyncBaseTransport):
    """A pool of `size` connections that gives every slot back.

    httpcore 1.0.9 keeps a slot for ever when a call is cancelled between being given a connection and using it, as
    happens when two deadlines fire in one stalled turn of the loop. One bad second would then starve all later calls
    of a right fix. So its own limit is off and the slots are counted here; httpx's `pool` timeout is honoured.
    """

    def __init__(self, pool: httpx.AsyncBaseTransport, size: int) -> None:
        self._pool = pool
        self._free = asyncio.Semaphore(size)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        limit_s = request.extensions.get("timeout", {}).get("pool")
        try:
            async with asyncio.timeout(limit_s):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout(f"no free connection within {limit_s:g} s", request=request) from None
        try:
            response = await self._pool.handle_async_request(request)
        except BaseException:
            self._free.release()
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Released(response.stream, self._free)
        return response

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Released(httpx.AsyncByteStream):
    """A body whose slot is free once it is closed."""

    def __init__(self, body: httpx.AsyncByteStream, free: asyncio.Semaphore) -> None:
        self._body = body
        self._free: asyncio.Semaphore | None = free

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._body:
            yield part

    async def aclose(self) -> None:
        free, self._free = self._free, None
        try:
            await self._body.aclose()
        finally:
            if free is not None:
                free.release()


class MarkedTransport(httpx.AsyncBaseTransport):
    """Says of every call whether it is done for the live business."""

    def __init__(self, pool: httpx.AsyncBaseTransport) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if traffic.is_background():
            request.headers[traffic.HEADER] = traffic.BACKGROUND
        else:
            request.headers.pop(traffic.HEADER, None)
        return await self._pool.handle_async_request(request)

    async def aclose(self) -> None:
        await self._pool.aclose()


class CountedTransport(httpx.AsyncBaseTransport):
    """Counts the load's calls in flight of one operation, in front of the shared pool."""

    def __init__(self, pool: httpx.AsyncBaseTransport, operation: str, metrics: Metrics) -> None:
        self._pool = pool
        self._in_flight = metrics.dependency_in_flight.labels(operation=operation)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if traffic.is_background():
            return await self._pool.handle_async_request(request)
        with self._in_flight.track_inprogress():
            return await self._pool.handle_async_request(request)


class Clients:
    """One client an operation, all on one pool of `size` connections."""

    def __init__(self, base_url: str, *, size: int, metrics: Metrics) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=size, keepalive_expiry=KEEPALIVE_S)
        self._pool = MarkedTransport(Slots(httpx.AsyncHTTPTransport(limits=limits, trust_env=False), size))
        self._base_url = base_url
        self._metrics = metrics
        self._clients: dict[str, httpx.AsyncClient] = {}

    def __call__(self, operation: str) -> httpx.AsyncClient:
        """The client of one operation, the same one each time."""
        if operation not in self._clients:
            self._clients[operation] = httpx.AsyncClient(
                base_url=self._base_url,
                transport=CountedTransport(self._pool, operation, self._metrics),
                timeout=None,
                trust_env=False,
            )
        return self._clients[operation]

    async def close(self) -> None:
        """Close every connection; calls in flight fail."""
        await self._pool.aclose()


class Neighbours:
    """One client for each other service of ours, by its role. No connection is kept: a replica that has just come
    into being would never be asked."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        pool = MarkedTransport(httpx.AsyncHTTPTransport(limits=UNLIMITED, trust_env=False))
        self._clients = {
            role: httpx.AsyncClient(base_url=url, transport=pool, timeout=None, trust_env=False)
            for role, url in urls.items()
        }
        self._pool = pool

    def __call__(self, role: str) -> httpx.AsyncClient:
        """The client of one role. Raises LookupError that lists the known ones."""
        if role not in self._clients:
            raise LookupError(f"unknown service {role!r}, expected one of: {', '.join(sorted(self._clients))}")
        return self._clients[role]

    async def close(self) -> None:
        """Close every connection; calls in flight fail."""
        await self._pool.aclose()
