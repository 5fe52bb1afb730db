"""The workshop's tables. Made when they are missing, so that a new, wiped or restarted database is all the same.

Times named `_s` are seconds since 1970; `_clock_s` are seconds of the session's own clock, which pauses and may run
faster in a rehearsal. What can be counted from rows is not stored a second time, but for `taken`, which every turn of
the line is decided by.
"""

from typing import Any

import psycopg
from psycopg.rows import tuple_row

LOCK = 4_711_001  # advisory lock: two processes that start together make the tables once
VERSION = 2  # raised when a table changes; tables of another version are made anew, sessions and all

DROP = """
DROP VIEW IF EXISTS workshop_progress;
DROP TABLE IF EXISTS workshop_sessions, workshop_people, workshop_runs, workshop_tickets, workshop_ticket_log,
    workshop_waiting, workshop_moments, workshop_metrics, workshop_keys, live_worlds CASCADE;
"""

TABLES = """
CREATE TABLE IF NOT EXISTS workshop_sessions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code text NOT NULL UNIQUE,
    name text NOT NULL,
    expected int NOT NULL,
    speed double precision NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'paused', 'ended')),
    started_s double precision NOT NULL,
    ended_s double precision,
    clock_s double precision NOT NULL DEFAULT 0,
    since_s double precision,
    segment int NOT NULL DEFAULT 0,
    segment_clock_s double precision NOT NULL DEFAULT 0,
    frozen_s double precision
);
COMMENT ON TABLE workshop_sessions IS '2'; -- VERSION
CREATE UNIQUE INDEX IF NOT EXISTS workshop_one_live ON workshop_sessions ((true)) WHERE state <> 'ended';

CREATE TABLE IF NOT EXISTS workshop_people (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id bigint NOT NULL REFERENCES workshop_sessions ON DELETE CASCADE,
    name text NOT NULL,
    name_key text NOT NULL,
    token_hash text UNIQUE,
    technology text NOT NULL DEFAULT '',
    ready_code text NOT NULL DEFAULT '',
    joined_clock_s double precision NOT NULL,
    seen_s double precision NOT NULL,
    taken int NOT NULL DEFAULT 0,
    UNIQUE (session_id, name_key)
);

CREATE TABLE IF NOT EXISTS workshop_runs (
    person_id bigint NOT NULL REFERENCES workshop_people ON DELETE CASCADE,
    lab text NOT NULL,
    run text NOT NULL,
    session_id bigint NOT NULL REFERENCES workshop_sessions ON DELETE CASCADE,
    score int NOT NULL,
    verdict text NOT NULL,
    p95_ms int,
    ok_ratio double precision NOT NULL,
    counts boolean NOT NULL,
    said_by text NOT NULL,
    failure text NOT NULL,
    source text NOT NULL,
    at_s double precision NOT NULL,
    at_clock_s double precision NOT NULL,
    PRIMARY KEY (person_id, lab, run)
);
CREATE INDEX IF NOT EXISTS workshop_runs_session ON workshop_runs (session_id, at_s);

CREATE TABLE IF NOT EXISTS workshop_tickets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id bigint NOT NULL REFERENCES workshop_sessions ON DELETE CASCADE,
    key text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    description text NOT NULL,
    priority text NOT NULL,
    category text NOT NULL,
    response_target_s double precision NOT NULL,
    tags text[] NOT NULL,
    needs_escalation boolean NOT NULL,
    cost_cents bigint,
    order_number text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'held', 'resolved', 'escalated')),
    person_id bigint REFERENCES workshop_people,
    answer text NOT NULL DEFAULT '',
    returns int NOT NULL DEFAULT 0,
    opened_s double precision NOT NULL,
    opened_clock_s double precision NOT NULL,
    first_held_clock_s double precision,
    held_clock_s double precision,
    heard_clock_s double precision,
    closed_clock_s double precision,
    UNIQUE (session_id, key),
    CHECK ((state = 'open') = (person_id IS NULL))
);
CREATE UNIQUE INDEX IF NOT EXISTS workshop_one_ticket_a_person ON workshop_tickets (person_id) WHERE state = 'held';
CREATE INDEX IF NOT EXISTS workshop_tickets_state ON workshop_tickets (session_id, state);
CREATE INDEX IF NOT EXISTS workshop_tickets_person ON workshop_tickets (person_id);

CREATE TABLE IF NOT EXISTS workshop_ticket_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ticket_id bigint NOT NULL REFERENCES workshop_tickets ON DELETE CASCADE,
    person_id bigint,
    what text NOT NULL,
    at_s double precision NOT NULL
);

CREATE TABLE IF NOT EXISTS workshop_waiting (
    person_id bigint PRIMARY KEY REFERENCES workshop_people ON DELETE CASCADE,
    session_id bigint NOT NULL REFERENCES workshop_sessions ON DELETE CASCADE,
    since_s double precision NOT NULL
);

CREATE TABLE IF NOT EXISTS workshop_moments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id bigint NOT NULL REFERENCES workshop_sessions ON DELETE CASCADE,
    what text NOT NULL,
    detail text NOT NULL,
    at_s double precision NOT NULL,
    at_clock_s double precision NOT NULL
);

CREATE TABLE IF NOT EXISTS workshop_metrics (
    session_id bigint NOT NULL REFERENCES workshop_sessions ON DELETE CASCADE,
    metric text NOT NULL,
    value double precision NOT NULL,
    at_s double precision NOT NULL,
    PRIMARY KEY (session_id, metric, at_s)
);

CREATE TABLE IF NOT EXISTS workshop_keys (name text PRIMARY KEY, hash text NOT NULL);

CREATE TABLE IF NOT EXISTS live_worlds (
    world text PRIMARY KEY,
    saved text NOT NULL,
    saved_s double precision NOT NULL
);

CREATE OR REPLACE VIEW workshop_progress AS
SELECT p.session_id, p.id AS person_id, p.name, p.technology, p.seen_s AS last_activity_s,
    (SELECT count(*) FROM workshop_tickets t
        WHERE t.person_id = p.id AND t.state IN ('resolved', 'escalated')) AS tickets_handled,
    (SELECT count(DISTINCT t.order_number) FROM workshop_tickets t
        WHERE t.person_id = p.id AND t.state = 'resolved' AND t.order_number <> '') AS orders_processed
FROM workshop_people p;
"""


async def ensure(connection: "psycopg.AsyncConnection[Any]") -> None:
    """Make what is missing, in one transaction."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        if await _version(connection) != str(VERSION):
            await connection.execute(DROP)
        await connection.execute(TABLES)


async def _version(connection: "psycopg.AsyncConnection[Any]") -> str:
    """What the comment of the first table says, "" when there is none: unlike a row, it outlives `make reset`."""
    cursor = connection.cursor(row_factory=tuple_row)  # a pooled connection may have been given another one
    await cursor.execute("SELECT obj_description(to_regclass('workshop_sessions'), 'pg_class')")
    row = await cursor.fetchone()
    return str(row[0] or "") if row else ""
