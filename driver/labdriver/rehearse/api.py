"""The board's API as bots call it: asked again until there is an answer, every try measured.

A question that got no answer is asked again with the same content, as `labdriver` and the pages do; so a server that
is killed and comes back must neither lose nor double anything.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import httpx

from labdriver import join
from labdriver.join import Rejected, Unreachable

TRY_TIMEOUT_S = 10.0
PAUSE_S = (0.1, 2.0)  # between two tries: first, longest


class Meter:
    """Times of answers by operation, and what went wrong."""

    def __init__(self) -> None:
        self.times_ms: dict[str, list[float]] = defaultdict(list)
        self.failed_tries: Counter[str] = Counter()  # no answer, 429, 5xx: asked again
        self.refused: Counter[str] = Counter()  # 4xx

    def p_ms(self, ratio: float, operation: str | None = None) -> float:
        """A percentile over one operation or all."""
        chosen = self.times_ms.values() if operation is None else [self.times_ms[operation]]
        times = sorted(t for each in chosen for t in each)
        return times[min(len(times) - 1, int(len(times) * ratio))] if times else 0.0

    @property
    def count(self) -> int:
        return sum(len(times) for times in self.times_ms.values())


class Api:
    """All bots share its connections."""

    def __init__(self, url: str, meter: Meter, *, give_up_s: float, connections: int) -> None:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = httpx.AsyncClient(
            base_url=url, timeout=TRY_TIMEOUT_S, limits=limits, trust_env=False, verify=url.startswith("https:")
        )
        self._url = url
        self._give_up_s = give_up_s
        self.meter = meter

    async def ask(
        self, operation: str, method: str, path: str, *, token: str = "", body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One question until it is answered. Raises Rejected, or Unreachable after `give_up_s`."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        until_s = time.monotonic() + self._give_up_s
        pause_s, longest_s = PAUSE_S
        while True:
            try:
                return await self._try(operation, method, path, headers=headers, body=body)
            except Unreachable:
                self.meter.failed_tries[operation] += 1
                if time.monotonic() > until_s:
                    raise
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, longest_s)

    async def _try(
        self, operation: str, method: str, path: str, *, headers: dict[str, str], body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        begun_s = time.perf_counter()
        try:
            answer = await self._client.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Unreachable(f"no answer ({type(error).__name__})") from error
        took_ms = 1000 * (time.perf_counter() - begun_s)
        try:
            told = join.told(answer, self._url)
        except Rejected:
            self.meter.refused[operation] += 1
            raise
        self.meter.times_ms[operation].append(took_ms)
        return told

    async def text(self, path: str) -> str:
        """A page as text, "" when it cannot be had."""
        try:
            return (await self._client.get(path)).text
        except httpx.HTTPError:
            return ""

    async def close(self) -> None:
        await self._client.aclose()
