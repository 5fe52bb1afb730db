"""What the business asks of the other services, marked as its own: reports show it apart from the load of a lab.

world ──Outlet.call──▶ Calls ──x-lab-traffic: background──▶ api, worker
"""

import asyncio
from typing import Any

import httpx

from labsvc import traffic
from labsvc.clients import Neighbours
from labsvc.worlds import NO_ANSWER, Answer

RETRY_LIMIT_S = 60.0  # nobody is believed who wants more


class Calls:
    """Both services by their role. A call for itself has a connection of its own: replicas come and go."""

    def __init__(self, *, api_url: str, worker_url: str) -> None:
        self._services = Neighbours({"api": api_url, "worker": worker_url})

    async def __call__(self, role: str, method: str, path: str, *, body: Any = None, timeout_s: float) -> Answer:
        """The answer, whatever it is. Raises LookupError for an unknown role."""
        client = self._services(role)
        try:
            async with asyncio.timeout(timeout_s):
                with traffic.marked(True):  # the clients take the mark from here alone
                    answer = await client.request(method, path, json=body)
        except TimeoutError:
            return Answer(NO_ANSWER, {"error": "timeout"})
        except httpx.HTTPError as error:
            return Answer(NO_ANSWER, {"error": type(error).__name__})
        return Answer(answer.status_code, _json(answer), _retry_after_s(answer))

    async def close(self) -> None:
        """End every call; those in flight fail."""
        await self._services.close()


async def unreachable(role: str, method: str, path: str, *, body: Any = None, timeout_s: float) -> Answer:
    """The way to services that are not there."""
    return Answer(NO_ANSWER, {"error": "not there"})


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _retry_after_s(answer: httpx.Response) -> float | None:
    try:
        return min(RETRY_LIMIT_S, max(0.0, float(answer.headers["retry-after"])))
    except (KeyError, ValueError):
        return None
