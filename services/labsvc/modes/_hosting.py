"""What `api`, `worker` and `estimator` share: database, dependency clients and the labs of their role.

The api has the shop of the live business before its labs, on the same pool.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import structlog

from labsvc import db
from labsvc.clients import Clients, Neighbours
from labsvc.deps import Deps, RealClock
from labsvc.health import Service
from labsvc.host import Host
from labsvc.jobs.desk import Desk
from labsvc.jobs.postgres import PostgresStore
from labsvc.metrics import Metrics
from labsvc.settings import Settings
from labsvc.shop.shop import Shop

CLOSE_S = 0.5  # longest time for handing connections back at the end


@asynccontextmanager
async def hosting(role: str, settings: Settings) -> AsyncIterator[Service]:
    """The service of a role that hosts labs. Starts without Postgres too, and says that it is missing."""
    metrics = Metrics()
    pool = db.pool(settings.database_url, size=settings.db_pool_size, metrics=metrics)
    heartbeat = db.Heartbeat(settings.database_url)
    sessions = db.Sessions(settings.database_url, metrics=metrics)
    clients = Clients(settings.depsim_url, size=settings.http_pool_size, metrics=metrics)
    neighbours = Neighbours({"estimator": settings.estimator_url})
    jobs = Desk(PostgresStore(pool))
    deps = Deps(role, pool, RealClock(), structlog.get_logger(), clients, jobs, neighbours)
    host = Host(settings.labs_dir, deps)
    shop = Shop(pool, settings.database_url, metrics=metrics) if role == "api" else None

    async def missing() -> list[str]:
        database = await heartbeat.missing() if settings.database_url else ""
        return [part for part in (database, shop.missing() if shop else "", *host.missing()) if part]

    watching: asyncio.Task[None] | None = None
    if settings.database_url:
        await pool.open(wait=False)
        watching = asyncio.create_task(sessions.watch())
    host.start()
    service = Service(role, settings.replica or role, host.app, metrics, missing, host.report(), host.end_background)
    if shop:
        shop.start()
        service = replace(service, app=shop.before(host.app), also=shop.told)
    try:
        yield service
    finally:
        if watching is not None:
            watching.cancel()
        with suppress(TimeoutError):  # what a lab still holds ends with the process
            async with asyncio.timeout(CLOSE_S):
                await host.stop()
                if shop:
                    await shop.stop()
                await clients.close()
                await neighbours.close()
                await heartbeat.close()
                await pool.close(timeout=CLOSE_S)
