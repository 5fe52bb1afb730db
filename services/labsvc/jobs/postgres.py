"""Jobs in two tables of Postgres. Every method is one statement, so it is done whole or not at all.

`jobs` holds what was accepted and how it stands, `effects` what was done, at most one row a job. A claim takes a row
with FOR UPDATE SKIP LOCKED, so that any number of workers may claim at once; `holder` and `attempts` fence off a
worker whose claim has ended meanwhile.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg_pool import AsyncConnectionPool

from labsvc import traffic
from labsvc.jobs import Job

# The lock keeps two processes that start together from making the same table.
TABLES = """
SELECT pg_advisory_xact_lock(hashtext('labsvc.jobs'));
CREATE TABLE IF NOT EXISTS jobs (
    n bigint GENERATED ALWAYS AS IDENTITY,
    id text PRIMARY KEY,
    kind text NOT NULL,
    about jsonb NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    holder text,
    held_until timestamptz,
    attempts int NOT NULL DEFAULT 0,
    started_at timestamptz,
    finished_at timestamptz,
    finishes int NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS jobs_open ON jobs (n) WHERE finished_at IS NULL;
CREATE TABLE IF NOT EXISTS effects (
    job text PRIMARY KEY REFERENCES jobs (id),
    result jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""

CLAIM = """
UPDATE jobs SET holder = %s, held_until = clock_timestamp() + %s * interval '1 second', attempts = attempts + 1
WHERE id = (
    SELECT id FROM jobs
    WHERE finished_at IS NULL AND kind = ANY(%s) AND (held_until IS NULL OR held_until < clock_timestamp())
    ORDER BY about ->> %s IS NOT DISTINCT FROM %s, n LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id, kind, about, attempts
"""

BEGIN = """
UPDATE jobs SET started_at = clock_timestamp()
WHERE id = %s AND holder = %s AND attempts = %s AND finished_at IS NULL
"""

FINISH = """
WITH done AS (
    UPDATE jobs SET finishes = finishes + 1, finished_at = coalesce(finished_at, clock_timestamp())
    WHERE id = %s AND holder = %s AND attempts = %s RETURNING id, finishes
)
INSERT INTO effects (job, result) SELECT id, %s::jsonb FROM done WHERE finishes = 1
"""

RENEW = """
UPDATE jobs SET held_until = clock_timestamp() + %s * interval '1 second'
WHERE holder = %s AND id = ANY(%s) AND finished_at IS NULL
"""

RELEASE = "UPDATE jobs SET holder = NULL, held_until = NULL WHERE holder = %s AND finished_at IS NULL"

WAITING = """
SELECT kind, count(*) FROM jobs
WHERE finished_at IS NULL AND (held_until IS NULL OR held_until < clock_timestamp()) GROUP BY kind
"""

RECORDED = """
SELECT extract(epoch FROM clock_timestamp())::float8, coalesce(json_agg(json_build_object(
    'id', id, 'kind', kind, 'accepted_s', extract(epoch FROM accepted_at)::float8,
    'started_s', extract(epoch FROM started_at)::float8, 'finished_s', extract(epoch FROM finished_at)::float8,
    'attempts', attempts, 'finishes', finishes, 'result', result) ORDER BY n), '[]')
FROM jobs LEFT JOIN effects ON effects.job = jobs.id
WHERE about ->> %s IS DISTINCT FROM %s
"""


class PostgresStore:
    """Jobs in the database behind `pool`."""

    def __init__(self, pool: "AsyncConnectionPool[Any]") -> None:
        self._pool = pool

    async def prepare(self) -> None:
        await self._run(TABLES)

    async def wipe(self) -> None:
        await self._run("TRUNCATE jobs, effects RESTART IDENTITY")

    async def add(self, job_id: str, kind: str, about: Mapping[str, Any]) -> None:
        statement = "INSERT INTO jobs (id, kind, about) VALUES (%s, %s, %s)"
        await self._run(statement, job_id, kind, json.dumps(dict(about)))

    async def claim(self, holder: str, kinds: Sequence[str], *, lease_s: float) -> Job | None:
        rows, _ = await self._run(CLAIM, holder, lease_s, list(kinds), traffic.ABOUT, traffic.BACKGROUND)
        return Job(*rows[0]) if rows else None

    async def begin(self, job: Job, holder: str) -> None:
        await self._run(BEGIN, job.id, holder, job.attempt)

    async def finish(self, job: Job, holder: str, result: Mapping[str, Any]) -> bool:
        _, count = await self._run(FINISH, job.id, holder, job.attempt, json.dumps(dict(result)))
        return count == 1

    async def renew(self, holder: str, job_ids: Sequence[str], *, lease_s: float) -> None:
        await self._run(RENEW, lease_s, holder, list(job_ids))

    async def release(self, holder: str) -> None:
        await self._run(RELEASE, holder)

    async def waiting(self) -> dict[str, int]:
        rows, _ = await self._run(WAITING)
        return dict(rows)

    async def recorded(self) -> dict[str, Any]:
        ((now_s, jobs),), _ = await self._run(RECORDED, traffic.ABOUT, traffic.BACKGROUND)
        return {"now_s": now_s, "jobs": jobs}

    async def _run(self, statement: str, *values: Any) -> tuple[list[Any], int]:
        """Rows and row count of one statement in a transaction of its own."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values or None)
            rows = await cursor.fetchall() if cursor.description else []
            return rows, cursor.rowcount
