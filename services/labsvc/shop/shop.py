"""The shop of one process: its routes, what stands before the labs, its start.

One order is `PUT /shop/orders/{number}`, many are `POST /shop/orders`; services/README.md has the contract.
"""

import asyncio
import json
import math
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from labsvc import traffic
from labsvc.metrics import ROUTE, Metrics
from labsvc.rest import Call, Done, Endpoint, Refused, Who, routes
from labsvc.shop import shapes
from labsvc.shop.maintenance import Maintenance
from labsvc.shop.orders import TABLES, OrderStore, numbered

PREFIX = "/shop/"
MAINTENANCE = "/shop/maintenance"
START_RETRY_S = (0.1, 2.0)  # first and longest pause between two tries to make the tables


class Anyone:
    """Nobody needs a token at the shop."""

    async def who(self, token: str, address: str) -> Who:
        return Who()


class Shop:
    """Routes, tables and maintenance. `pool` is the one that the labs share."""

    def __init__(self, pool: "AsyncConnectionPool[Any]", url: str, *, metrics: Metrics) -> None:
        self._url = url
        self._orders = OrderStore(pool)
        self._maintenance = Maintenance(url, tables=TABLES)
        self._refused = Counter(
            "labsvc_maintenance_refused",
            "requests of the load that maintenance turned away",
            registry=metrics.registry,
        )
        metrics.read_on_demand(
            "labsvc_maintenance_left_seconds", "until the end of maintenance", lambda: self._maintenance.left_s
        )
        self._app = Starlette(routes=routes(self._endpoints(), Anyone()))
        self._starting = "starting" if url else ""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Make the tables and watch for maintenance, in the background; without a database there is neither."""
        if self._url:
            self._tasks = [asyncio.create_task(self._prepare()), asyncio.create_task(self._maintenance.watch())]

    async def stop(self) -> None:
        """End what `start` began."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def missing(self) -> str:
        """Why the tables are not there yet, "" when they are."""
        return f"shop: {self._starting}" if self._starting else ""

    def told(self) -> dict[str, Any]:
        """What `/readyz` says of maintenance: the replica stays ready meanwhile."""
        lasting = self._maintenance.lasting()
        return {"maintenance": lasting.model_dump() if lasting else None}

    def before(self, labs: ASGIApp) -> ASGIApp:
        """The shop and the labs as one app, with the door that maintenance closes."""

        async def front(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope.get("path", "")
            left_s = self._maintenance.left_s
            if left_s and path != MAINTENANCE:
                await self._turn_away(scope, send, left_s)
            elif path.startswith(PREFIX):
                await self._app(scope, receive, send)
            else:
                await labs(scope, receive, send)

        return front

    async def _turn_away(self, scope: Scope, send: Send, left_s: float) -> None:
        scope[ROUTE] = "maintenance"
        if not traffic.is_background():
            self._refused.inc()
        whole_s = math.ceil(left_s)
        lasting = self._maintenance.lasting()
        why = f"maintenance ({lasting.why}), back in {whole_s} s" if lasting else "maintenance has just ended"
        body = json.dumps({"error": why}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"retry-after", str(whole_s).encode()),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _prepare(self) -> None:
        pause_s, longest_s = START_RETRY_S
        while self._starting:
            try:
                async with await psycopg.AsyncConnection.connect(self._url, autocommit=True) as connection:
                    await connection.execute(TABLES)
                self._starting = ""
            except (psycopg.Error, OSError) as error:
                self._starting = str(error).strip().partition("\n")[0] or type(error).__name__
                structlog.get_logger().warning("shop_start_failed", error=self._starting)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, longest_s)

    def _endpoints(self) -> list[Endpoint]:
        number, orders, books = f"{PREFIX}orders/{{number}}", f"{PREFIX}orders", f"{PREFIX}books"
        put = Endpoint("PUT", number, "Store an order, or how far it is", self._put, shapes.Stored)
        post = Endpoint(
            "POST",
            orders,
            "Store many orders",
            self._post,
            shapes.StoredMany,
            body_limit_bytes=shapes.BODY_LIMIT_BYTES,
        )
        begin = Endpoint("PUT", MAINTENANCE, "Begin maintenance", self._begin, shapes.MaintenanceTold)
        return [
            put.at(shapes.Numbered).taking(shapes.Content),
            post.taking(shapes.Batch),
            Endpoint("GET", orders, "The newest orders", self._newest, shapes.Orders).asking(shapes.Wanted),
            Endpoint("DELETE", orders, "Forget every order: another business opens", self._clear, shapes.Deleted),
            Endpoint("GET", number, "One order", self._one, shapes.Order).at(shapes.Numbered),
            Endpoint("GET", books, "How many orders there are", self._books, shapes.Books),
            begin.taking(shapes.MaintenanceOrder),
            Endpoint("GET", MAINTENANCE, "Whether there is maintenance", self._look, shapes.MaintenanceTold),
            Endpoint("DELETE", MAINTENANCE, "End maintenance", self._end, shapes.MaintenanceTold),
        ]

    async def _put(self, call: Call) -> Done:
        is_new, status = await self._orders.put(numbered(call.params.number, call.body))
        return Done(201 if is_new else 200, shapes.Stored(number=call.params.number, status=status))

    async def _post(self, call: Call) -> shapes.StoredMany:
        return shapes.StoredMany(stored=await self._orders.put_many(call.body.orders))

    async def _clear(self, call: Call) -> shapes.Deleted:
        return shapes.Deleted(deleted=await self._orders.clear())

    async def _newest(self, call: Call) -> shapes.Orders:
        return shapes.Orders(orders=await self._orders.newest(call.query))

    async def _one(self, call: Call) -> shapes.Order:
        order = await self._orders.one(call.params.number)
        if order is None:
            raise Refused(404, f"no order {call.params.number}")
        return order

    async def _books(self, call: Call) -> shapes.Books:
        return await self._orders.books()

    async def _begin(self, call: Call) -> shapes.MaintenanceTold:
        await self._maintenance.begin(call.body.for_s, call.body.why)
        return await self._look(call)

    async def _end(self, call: Call) -> shapes.MaintenanceTold:
        await self._maintenance.end()
        return await self._look(call)

    async def _look(self, call: Call) -> shapes.MaintenanceTold:
        return shapes.MaintenanceTold(maintenance=self._maintenance.lasting())
