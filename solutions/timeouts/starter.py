"""Step 1: the call that may never come back. This is the only file to change.

A customer asks what a modular home costs; the price comes from a remote pricing service. Change what stands
between the two markers, and nothing else. An honest failure is an answer too: `failed(504, "...")`.
"""

import asyncio  # asyncio.timeout(seconds) gives a whole block of code one deadline
from typing import Any

import httpx

from labsvc.deps import Reply, Request


async def quote(request: Request, pricing: httpx.AsyncClient, last_known: dict[str, Any]) -> Reply:
    """Ask the pricing service what a home costs and pass its answer on.

    `last_known` is an empty dict that lives as long as the process, for a fix that keeps older prices by sku.
    """
    sku = request.params["sku"]
    # LAB: STEP1 TODO: this call waits for ever. Give it a timeout, give the whole quote a deadline, fail fast.
    answer = await pricing.get(f"/pricing/{sku}")
    answer.raise_for_status()
    return priced(answer.json())
    # LAB: STEP1 END


def priced(price: dict[str, Any], *, stale: bool = False) -> Reply:
    """A quote from what the pricing service answered. Mark an older price with `stale=True`."""
    return Reply(200, {**price, "stale": stale})


def failed(status: int, reason: str) -> Reply:
    """An honest failure, e.g. `failed(504, "pricing took too long")`."""
    return Reply(status, {"error": reason})
