"""Given code of step 2, read-only: orders of modular homes, their stock and their payments.

    POST /orders?sku=cedar-60 ──▶ edit.place() ──▶ Postgres (tables tx.products, tx.orders), through the pool of ten
                                      └──────────▶ the payment service (remote, not ours)
    GET  /orders/{id}             how an order stands
    POST /orders/prepare          tables in their first state, for a run      ┐ over a connection of their own: a pool
    GET  /orders/books            all products and orders, for the score      ┘ that is used up must not blind us

A home is `in_stock` until an order takes it off; then it is reserved (the order is pending) or sold (it is paid).
Orders of the live business have ids that begin with `b-`. They lock the same rows and are paid like all others, but
take no home off the stock and stand in no books: what is scored is what it would be without them.
"""

import asyncio
import secrets
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from types import ModuleType
from typing import Any

import httpx
import psycopg
from psycopg import AsyncConnection

from labsvc.deps import Clock, Deps, Reply, Request, Route, marked

ROLE = "api"
BACKGROUND = "b-"  # how ids of the live business's orders begin; those of the load begin with "o-"

HOMES = {  # sku → (homes in stock at first, price in cents): everybody wants the first, and the last is rare
    "cedar-60": (100_000, 12_900_000),
    "birch-50": (100_000, 9_400_000),
    "maple-70": (100_000, 15_200_000),
    "aspen-80": (15, 21_500_000),
}

TABLES = """
CREATE SCHEMA IF NOT EXISTS tx;
CREATE TABLE IF NOT EXISTS tx.products (
    sku text PRIMARY KEY, stocked int NOT NULL, in_stock int NOT NULL, price_cents bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS tx.orders (
    n bigint GENERATED ALWAYS AS IDENTITY, id text PRIMARY KEY, sku text NOT NULL, amount_cents bigint NOT NULL,
    status text NOT NULL, payment_ref text, claimed_at timestamptz
);
ALTER TABLE tx.orders ADD COLUMN IF NOT EXISTS took int NOT NULL DEFAULT 1;
"""

# What a run before has left, in this process or in one that is just being replaced, must not spoil the next run.
END_HOLDERS = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE relation IN (to_regclass('tx.products'), to_regclass('tx.orders')) AND pid <> pg_backend_pid()
"""
CALM_LOOKS = 3  # in a row without anybody at the tables
LOOK_S = 0.06  # between two looks
SETTLE_LIMIT_S = 2.0  # for orders that are worked off after the answer
END_LIMIT_S = 1.0  # for cancelled work to end
CALM_LIMIT_S = 3.5  # a process that is being replaced leaves after three

# A home that an order of the live business took (by SQL of the edit's own: ours takes none) counts as in stock.
BOOKS = """
WITH lent AS (
    SELECT sku, sum(took) AS homes FROM tx.orders WHERE starts_with(id, 'b-') AND status <> 'failed' GROUP BY sku
)
SELECT (SELECT coalesce(json_agg(json_build_object('sku', sku, 'stocked', stocked,
                                                   'in_stock', in_stock + coalesce(homes, 0),
                                                   'price_cents', price_cents) ORDER BY sku), '[]')
        FROM tx.products LEFT JOIN lent USING (sku)),
       (SELECT coalesce(json_agg(json_build_object('id', id, 'sku', sku, 'amount_cents', amount_cents,
                                                   'status', status, 'payment_ref', payment_ref) ORDER BY n), '[]')
        FROM tx.orders WHERE NOT starts_with(id, 'b-'))
"""

# One statement, so that the row's lock is held for one round trip and the commit, and no longer than the edit wants.
RESERVE = """
WITH wanted AS (SELECT (NOT starts_with(%(id)s, 'b-'))::int AS homes),
taken AS (
    UPDATE tx.products SET in_stock = in_stock - homes FROM wanted WHERE sku = %(sku)s AND in_stock > 0
    RETURNING sku, homes
)
INSERT INTO tx.orders (id, sku, amount_cents, status, took)
SELECT %(id)s, sku, %(amount_cents)s, 'pending', homes FROM taken
"""

SETTLE_PAID = """
UPDATE tx.orders SET status = 'paid', payment_ref = %(payment_ref)s WHERE id = %(id)s AND status = 'pending'
"""
SETTLE_FAILED = """
WITH off AS (UPDATE tx.orders SET status = 'failed' WHERE id = %(id)s AND status = 'pending' RETURNING sku, took)
UPDATE tx.products AS p SET in_stock = in_stock + took FROM off WHERE p.sku = off.sku
"""

PENDING = "SELECT EXISTS (SELECT FROM tx.orders WHERE status = 'pending' AND NOT starts_with(id, 'b-'))"

CLAIM = """
UPDATE tx.orders SET claimed_at = clock_timestamp() WHERE id = (
    SELECT id FROM tx.orders
    WHERE status = 'pending' AND (claimed_at IS NULL OR claimed_at < clock_timestamp() - interval '10 seconds')
    ORDER BY n LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id, sku, amount_cents
"""


class Shop:
    """What the edit works with; edit.py says in its `Shop` what each part does."""

    def __init__(self, deps: Deps, edit: ModuleType) -> None:
        self.db = deps.db
        self._payment = deps.dependency("payment")
        self._log = deps.log
        self._edit = edit
        self._tasks: set[asyncio.Task[Any]] = set()
        self.is_preparing = False  # for a run; meanwhile the live business waits

    def transaction(self) -> AbstractAsyncContextManager[AsyncConnection[Any]]:
        return self.db.connection()

    async def reserve(self, conn: AsyncConnection[Any], order: Any) -> bool:
        written = await conn.execute(RESERVE, vars(order))
        return written.rowcount == 1

    async def pay(self, order: Any, *, key: str = "") -> dict[str, Any]:
        try:
            with marked(order.id.startswith(BACKGROUND)):  # whoever works it off, the payment is the order's
                answer = await self._payment.post(
                    f"/payment/{order.id}",
                    json={"amount_cents": order.amount_cents},
                    headers={"Idempotency-Key": key or order.id},
                )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise self._edit.NotPaid(f"order {order.id}: {error}") from error
        receipt: dict[str, Any] = answer.json()
        return receipt

    async def settle(self, conn: AsyncConnection[Any], order: Any, receipt: dict[str, Any] | None) -> None:
        if receipt:
            await conn.execute(SETTLE_PAID, {"id": order.id, "payment_ref": receipt["payment_ref"]})
        else:
            await conn.execute(SETTLE_FAILED, {"id": order.id})

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        self.track(asyncio.create_task(work)).add_done_callback(self._ended)

    async def claim(self, conn: AsyncConnection[Any]) -> Any:
        row = await (await conn.execute(CLAIM)).fetchone()
        return self._edit.Order(*row) if row else None

    def track(self, task: "asyncio.Task[Any]") -> "asyncio.Task[Any]":
        """Remember work that a new run has to end."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def end_work(self, clock: Clock) -> None:
        """Cancel whatever a run before has left unfinished, and wait for its end.

        More than once: a task that is cancelled in the moment when the pool hands it a connection goes on.
        """
        until_s = clock.monotonic_s() + END_LIMIT_S
        while (left := self._tasks - {asyncio.current_task()}) and clock.monotonic_s() < until_s:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=LOOK_S)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._log.error("later_work_failed", error=repr(task.exception()))


async def start(deps: Deps, edit: ModuleType) -> None:
    """Make the tables before the first order."""
    async with await _aside(deps) as conn:
        await _first_state(conn)


def routes(deps: Deps, edit: ModuleType) -> list[Route]:
    """The lab's routes."""
    shop = Shop(deps, edit)

    async def place(request: Request) -> Reply:
        sku = request.query.get("sku", "")
        if sku not in HOMES:
            return Reply(404, {"error": f"no home {sku!r}, expected one of: {', '.join(HOMES)}"})
        if request.is_background and shop.is_preparing:
            return Reply(503, {"error": "the tables are being prepared for a run"}, {"retry-after": "1"})
        begins = BACKGROUND if request.is_background else "o-"
        order = edit.Order(f"{begins}{secrets.token_hex(6)}", sku, HOMES[sku][1])
        shop.track(asyncio.current_task())  # type: ignore[arg-type]  # a handler always runs in a task
        try:
            reply: Reply = await edit.place(order, shop)
        except edit.NotPaid:
            reply = edit.unpaid()
        return Reply(reply.status, {**reply.body, "order": order.id}, reply.headers)

    async def status(request: Request) -> Reply:
        async with shop.transaction() as conn:
            rows = await conn.execute("SELECT sku, status FROM tx.orders WHERE id = %s", (request.params["id"],))
            row = await rows.fetchone()
        return Reply(200, {"sku": row[0], "status": row[1]}) if row else Reply(404, {"error": "no such order"})

    async def prepare(_request: Request) -> Reply:
        shop.is_preparing = True
        try:
            await shop.end_work(deps.clock)
            async with await _aside(deps) as conn:
                if not await _calm(conn, deps.clock):
                    return Reply(503, {"error": f"somebody still works on the tables of tx after {CALM_LIMIT_S:g} s"})
                await _first_state(conn)
        finally:
            shop.is_preparing = False
        return Reply(200, {"homes": len(HOMES)})

    async def books(_request: Request) -> Reply:
        async with await _aside(deps) as conn:
            await _settled(conn, deps.clock)
            products, orders = await (await conn.execute(BOOKS)).fetchone()  # type: ignore[misc]  # always one row
        return Reply(200, {"products": products, "orders": orders})

    return [
        Route("POST", "/orders", place),
        Route("POST", "/orders/prepare", prepare),
        Route("GET", "/orders/books", books),
        Route("GET", "/orders/{id}", status),
    ]


async def _calm(conn: AsyncConnection[Any], clock: Clock) -> bool:
    """End every session that is at the tables, until none comes back. False: they come back for ever."""
    until_s, looks = clock.monotonic_s() + CALM_LIMIT_S, 0
    while looks < CALM_LOOKS and clock.monotonic_s() < until_s:
        looks = 0 if (await conn.execute(END_HOLDERS)).rowcount else looks + 1
        await clock.sleep(LOOK_S)
    return looks == CALM_LOOKS


async def _settled(conn: AsyncConnection[Any], clock: Clock) -> None:
    """Wait until no order of the load is pending, or SETTLE_LIMIT_S."""
    until_s = clock.monotonic_s() + SETTLE_LIMIT_S
    while clock.monotonic_s() < until_s:
        row = await (await conn.execute(PENDING)).fetchone()
        if not row or not row[0]:
            return
        await clock.sleep(LOOK_S)


async def _first_state(conn: AsyncConnection[Any]) -> None:
    await conn.execute(TABLES)
    async with conn.transaction():
        await conn.execute("TRUNCATE tx.products, tx.orders RESTART IDENTITY")
        for sku, (stocked, price_cents) in HOMES.items():
            await conn.execute(
                "INSERT INTO tx.products (sku, stocked, in_stock, price_cents) VALUES (%s, %s, %s, %s)",
                (sku, stocked, stocked, price_cents),
            )


def _aside(deps: Deps) -> Any:
    """A connection outside the pool, to be awaited."""
    return psycopg.AsyncConnection.connect(deps.db.conninfo, autocommit=True)
