"""Tells the api of orders: at least once each, in order for each, a few at a time, again and again until it holds.

    outbox ──take──▶ PUT /shop/orders/{number}, or POST /shop/orders when many wait ──▶ ack | nack
                                    503: everything waits as long as Retry-After says

The api takes an order twice as easily as once, and its status never goes back. A new business first has it forget the
orders of the one before, and tells it of none until a save knows that this is done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from labsvc.worlds import Answer, Outlet
from labsvc.worlds.commerce.orders import Order
from labsvc.worlds.commerce.outbox import Outbox

SENDERS = 3
BLOCK = 500  # the api takes no more at once
BLOCK_FROM = 60  # so many waiting are told in blocks: the history, and what an outage has left
TIMEOUT_S = 5.0
BLOCK_TIMEOUT_S = 20.0
PAUSE_S = (0.25, 8.0)  # after a failure: first, longest
WRONG_S = 30.0  # before an order that the api finds wrong is told again
LOOK_S = 0.1


class Delivery:
    """The senders of one world."""

    def __init__(
        self,
        outlet: Outlet,
        outbox: Outbox,
        monotonic_s: Callable[[], float],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.told = 0  # orders that were taken in, as often as they were told
        self._outlet = outlet
        self._outbox = outbox
        self._now_s = monotonic_s
        self._sleep = sleep
        self._pause_s = PAUSE_S[0]
        self._closed_until_s = 0.0
        self.is_begun = False  # the api holds this business's orders alone
        self.is_open = False  # and a save knows it

    async def run(self) -> None:
        """Send until cancelled."""
        while not self.is_begun:
            answer = await self._outlet.call("api", "DELETE", "/shop/orders", timeout_s=BLOCK_TIMEOUT_S)
            self.is_begun = answer.status == 200
            if not self.is_begun:
                await self._sleep(answer.retry_after_s or PAUSE_S[0])
        async with asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._send())

    async def _send(self) -> None:
        while True:
            now_s = self._now_s()
            is_closed = not self.is_open or now_s < self._closed_until_s
            orders = [] if is_closed else self._next(now_s)
            if not orders:
                await self._sleep(LOOK_S)
                continue
            try:
                answer = await self._tell(orders)
            except BaseException:
                self._outbox.nack(orders, due_s=0)
                raise
            self._heard(orders, answer)

    def _next(self, now_s: float) -> list[Order]:
        many = self._outbox.ready(now_s) >= BLOCK_FROM
        return self._outbox.take(BLOCK if many else 1, now_s)

    async def _tell(self, orders: Sequence[Order]) -> Answer:
        refs = self._outbox.price_refs
        if len(orders) == 1:
            (order,) = orders
            body = order.body(price_ref=refs.get(order.number))
            return await self._outlet.call("api", "PUT", f"/shop/orders/{order.number}", body=body, timeout_s=TIMEOUT_S)
        bodies: list[dict[str, Any]] = [
            {"number": order.number, **order.body(price_ref=refs.get(order.number))} for order in orders
        ]
        return await self._outlet.call(
            "api", "POST", "/shop/orders", body={"orders": bodies}, timeout_s=BLOCK_TIMEOUT_S
        )

    def _heard(self, orders: Sequence[Order], answer: Answer) -> None:
        now_s = self._now_s()
        if answer.status in (200, 201):
            self.told += len(orders)
            self._pause_s = PAUSE_S[0]
            self._outbox.ack(orders)
        elif answer.status in (400, 413, 422):  # not a matter of time: let others pass
            structlog.get_logger().error("order_refused", number=orders[0].number, status=answer.status)
            self._outbox.nack(orders, due_s=now_s + WRONG_S)
        else:
            wait_s = answer.retry_after_s if answer.retry_after_s is not None else self._pause_s
            self._closed_until_s = max(self._closed_until_s, now_s + wait_s)
            self._pause_s = min(self._pause_s * 2, PAUSE_S[1])
            self._outbox.nack(orders, due_s=now_s)
