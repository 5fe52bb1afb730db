"""Orders in Postgres, through the pool that the labs share. Each method is one statement: done whole or not at all.

Whoever tells of an order again, in whatever order, changes nothing but forwards: the later of two statuses stays.
"""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from labsvc.rest import Refused
from labsvc.shop.shapes import STATUSES, Books, Content, Customer, Order, Status, Wanted

WAIT_S = 5.0  # longest wait for a connection of the pool
RETRY_S = 1.0

# The lock keeps two processes that start together from making the same table.
TABLES = """
SELECT pg_advisory_xact_lock(hashtext('labsvc.shop'));
CREATE SCHEMA IF NOT EXISTS shop;
CREATE TABLE IF NOT EXISTS shop.orders (
    n bigint GENERATED ALWAYS AS IDENTITY,
    number text PRIMARY KEY,
    customer text NOT NULL,
    region text NOT NULL,
    city text NOT NULL,
    sku text NOT NULL,
    product text NOT NULL,
    kind text NOT NULL,
    components jsonb NOT NULL,
    amount_cents bigint NOT NULL,
    price_ref text,
    status text NOT NULL,
    placed_at timestamptz NOT NULL,
    delivered_at timestamptz
);
CREATE INDEX IF NOT EXISTS orders_newest ON shop.orders (placed_at DESC, n DESC);
CREATE TABLE IF NOT EXISTS shop.maintenance (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    until_at timestamptz NOT NULL,
    why text NOT NULL
);
"""

STORE = """
INSERT INTO shop.orders AS known (number, customer, region, city, sku, product, kind, components, amount_cents,
                                  price_ref, status, placed_at, delivered_at)
SELECT number, customer, region, city, sku, product, kind, components, amount_cents, price_ref, status, placed_at,
       delivered_at
FROM jsonb_to_recordset(%(orders)s::jsonb) AS told (
    number text, customer text, region text, city text, sku text, product text, kind text, components jsonb,
    amount_cents bigint, price_ref text, status text, placed_at timestamptz, delivered_at timestamptz)
ON CONFLICT (number) DO UPDATE SET
    status = CASE WHEN array_position(%(statuses)s::text[], EXCLUDED.status)
                       > array_position(%(statuses)s::text[], known.status)
                  THEN EXCLUDED.status ELSE known.status END,
    price_ref = coalesce(known.price_ref, EXCLUDED.price_ref),
    delivered_at = coalesce(known.delivered_at, EXCLUDED.delivered_at)
RETURNING number, status, xmax = 0
"""

COLUMNS = """number, customer, region, city, sku, product, kind, components, amount_cents, price_ref, status,
placed_at, delivered_at"""

NEWEST = f"""
SELECT {COLUMNS} FROM shop.orders
WHERE (%(status)s::text IS NULL OR status = %(status)s) AND (%(region)s::text IS NULL OR region = %(region)s)
ORDER BY placed_at DESC, n DESC LIMIT %(limit)s
"""

ONE = f"SELECT {COLUMNS} FROM shop.orders WHERE number = %s"

BOOKS = """
WITH counted AS (
    SELECT status, region, count(*) AS orders, sum(amount_cents) AS cents FROM shop.orders GROUP BY status, region
)
SELECT (SELECT coalesce(sum(orders), 0)::bigint FROM counted),
       (SELECT coalesce(json_object_agg(status, orders), '{}')
        FROM (SELECT status, sum(orders)::bigint AS orders FROM counted GROUP BY status ORDER BY status) AS s),
       (SELECT coalesce(json_object_agg(region, orders), '{}')
        FROM (SELECT region, sum(orders)::bigint AS orders FROM counted GROUP BY region ORDER BY region) AS r),
       (SELECT coalesce(sum(cents), 0)::bigint FROM counted)
"""


class OrderStore:
    """The shop's orders behind `pool`. Every method raises Refused(503) while no connection can be had."""

    def __init__(self, pool: "AsyncConnectionPool[Any]") -> None:
        self._pool = pool

    async def put(self, order: Order) -> tuple[bool, Status]:
        """Store one order. True when it was not known, and the status that it has now."""
        ((_, status, is_new),) = await self._rows(STORE, _told([order]))
        return is_new, status

    async def put_many(self, orders: Sequence[Order]) -> int:
        """Store many in one transaction; how many different ones they are."""
        told = once(orders)
        if told:
            await self._rows(STORE, _told(told))
        return len(told)

    async def clear(self) -> int:
        """Forget every order; how many there were."""
        return len(await self._rows("DELETE FROM shop.orders RETURNING number", None))

    async def newest(self, wanted: Wanted) -> tuple[Order, ...]:
        """Orders by the time they were placed, the newest first."""
        return tuple(_order(row) for row in await self._rows(NEWEST, wanted.model_dump()))

    async def one(self, number: str) -> Order | None:
        rows = await self._rows(ONE, (number,))
        return _order(rows[0]) if rows else None

    async def books(self) -> Books:
        ((orders, by_status, by_region, amount_cents),) = await self._rows(BOOKS, None)
        return Books(orders=orders, by_status=by_status, by_region=by_region, amount_cents=amount_cents)

    async def _rows(self, statement: str, values: Any) -> list[tuple[Any, ...]]:
        async with self._turn() as connection:
            return await (await connection.execute(statement.encode(), values)).fetchall()

    @asynccontextmanager
    async def _turn(self) -> "AsyncIterator[psycopg.AsyncConnection[Any]]":
        try:
            async with self._pool.connection(timeout=WAIT_S) as connection:
                yield connection
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.UndefinedTable) as error:
            told = str(error).strip().partition("\n")[0] or type(error).__name__
            raise Refused(503, f"the shop has no database: {told}", retry_after_s=RETRY_S) from error


def once(orders: Iterable[Order]) -> list[Order]:
    """Each order once, as telling them one after the other would leave it; sorted, so that no two batches deadlock."""
    found: dict[str, Order] = {}
    for order in orders:
        known = found.get(order.number)
        found[order.number] = order if known is None else _advanced(known, order)
    return [found[number] for number in sorted(found)]


def _advanced(known: Order, told: Order) -> Order:
    return known.model_copy(
        update={
            "status": max(known.status, told.status, key=STATUSES.index),
            "price_ref": known.price_ref if known.price_ref is not None else told.price_ref,
            "delivered_at": known.delivered_at or told.delivered_at,
        }
    )


def _told(orders: Sequence[Order]) -> dict[str, Any]:
    rows = [order.model_dump(mode="json") | {"customer": order.customer.name} for order in orders]
    for row, order in zip(rows, orders, strict=True):
        row |= {"region": order.customer.region, "city": order.customer.city}
    return {"orders": json.dumps(rows), "statuses": list(STATUSES)}


def _order(row: Sequence[Any]) -> Order:
    number, customer, region, city, sku, product, kind, components, *rest = row
    amount_cents, price_ref, status, placed_at, delivered_at = rest
    return Order(
        number=number,
        customer=Customer(name=customer, region=region, city=city),
        sku=sku,
        product=product,
        kind=kind,
        components=components,
        amount_cents=amount_cents,
        price_ref=price_ref,
        status=status,
        placed_at=placed_at,
        delivered_at=delivered_at,
    )


def numbered(number: str, content: Content) -> Order:
    """The order of this number."""
    return Order(number=number, **dict(content))
