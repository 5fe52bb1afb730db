"""The httpx clients that lab code gets: one shared pool of connections, no timeout, every call counted.

No timeout on purpose: a missing one must really exhaust the pool. Knows the dependency's address only.
"""

import httpx

from labsvc.metrics import Metrics

KEEPALIVE_S = 30.0  # shorter than the server's 75 s, so that no call meets a connection that is being closed


class CountedTransport(httpx.AsyncBaseTransport):
    """Counts calls in flight of one operation, in front of the shared pool."""

    def __init__(self, pool: httpx.AsyncBaseTransport, operation: str, metrics: Metrics) -> None:
        self._pool = pool
        self._in_flight = metrics.dependency_in_flight.labels(operation=operation)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with self._in_flight.track_inprogress():
            return await self._pool.handle_async_request(request)


class Clients:
    """One client an operation, all on one pool of `size` connections."""

    def __init__(self, base_url: str, *, size: int, metrics: Metrics) -> None:
        limits = httpx.Limits(max_connections=size, max_keepalive_connections=size, keepalive_expiry=KEEPALIVE_S)
        self._pool = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
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
