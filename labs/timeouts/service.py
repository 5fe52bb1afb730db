"""Given code of step 1, read-only: the route that quotes the price of a modular home.

    GET /quotes/{sku} ──▶ edit.quote() ──▶ the pricing service (remote, not ours, not always well)

The edit file beside it holds the call. `pricing` is an ordinary httpx.AsyncClient: one pool of connections,
shared by all requests, and no timeout unless the call sets one.
"""

from types import ModuleType
from typing import Any

from labsvc.deps import Deps, Reply, Request, Route

ROLE = "api"


def routes(deps: Deps, edit: ModuleType) -> list[Route]:
    """The lab's one route."""
    pricing = deps.dependency("pricing")
    last_known: dict[str, Any] = {}

    async def quote(request: Request) -> Reply:
        reply: Reply = await edit.quote(request, pricing, last_known)
        return reply

    return [Route("GET", "/quotes/{sku}", quote)]
