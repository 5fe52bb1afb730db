"""Mode `generator`: the live business, the workshop and its pages, the WebSocket.

The facilitator's token is printed once, and only where a person reads: on a terminal. Otherwise it is claimed by
`labdriver facilitate`. Logs never see it.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from labsvc import db, scan, worlds
from labsvc.deps import RealClock
from labsvc.health import Service
from labsvc.live.live import Live
from labsvc.metrics import Metrics
from labsvc.modes import Mode
from labsvc.rest import Refused
from labsvc.settings import Settings
from labsvc.workshop import keys
from labsvc.worlds import Kind

CLOSE_S = 1.0  # longest time for keeping the worlds and handing connections back at the end
POOL_MIN = 8  # several hundred participants ask at once


@asynccontextmanager
async def hosting(settings: Settings, kinds: Sequence[Kind]) -> AsyncIterator[Service]:
    """The generator with these worlds. Starts without Postgres too, and says that it is missing."""
    metrics = Metrics()
    has_database = bool(settings.database_url)
    pool = db.pool(settings.database_url, size=max(POOL_MIN, settings.db_pool_size), metrics=metrics)
    heartbeat = db.Heartbeat(settings.database_url)
    live = Live(pool if has_database else None, kinds, RealClock(), settings)
    for figure in live.hub.figures():
        metrics.read_on_demand(f"labsvc_hub_{figure}", f"{figure} of the hub", partial(_figure, live, figure))

    async def missing() -> list[str]:
        database = await heartbeat.missing() if has_database else ""
        return [database] if database else []

    if has_database:
        await pool.open(wait=False)
    live.start()
    announcing = asyncio.create_task(_announce(live)) if has_database and sys.stdout.isatty() else None
    try:
        replica = settings.replica or "generator"
        yield Service("generator", replica, live.app, metrics, missing, websocket=live.sockets.protocol)
    finally:
        if announcing:
            announcing.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await live.stop()
                await heartbeat.close()
                await pool.close(timeout=CLOSE_S)


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Service]:
    kinds = [scan.load(worlds, name, "WORLD") for name in scan.names(worlds)]
    async with hosting(settings, kinds) as service:
        yield service


def _figure(live: Live, name: str) -> float:
    return live.hub.figures()[name]


async def _announce(live: Live) -> None:
    """Print a new facilitator's token as soon as the database is there, unless one was claimed before."""
    token = keys.new_token()
    while True:
        with suppress(Refused):
            if not live.workshop.context.store.is_ready:
                raise Refused(503, "not yet")
            try:
                await live.workshop.door.claim(token)
            except Refused as error:
                if error.status == 409:
                    return
                raise
            print(f"facilitator's token, shown once: {token}", flush=True)
            return
        await asyncio.sleep(0.5)


MODE = Mode("generator", "simulates the live business; workshop, board and WebSocket", 8082, _open)
