"""A session: its code, its clock and where in the hour it stands. At most one session lives at a time.

    start ──▶ running ⇄ paused ──▶ ended          freeze and thaw: the board stands still, the hour does not

The session's clock stands while it is paused and runs `speed` times as fast in a rehearsal; whatever people wait for
(silence of a ticket, being stuck) is measured on it.
"""

import secrets
from dataclasses import dataclass
from typing import Any, Literal

import psycopg

from labsvc.rest import Refused
from labsvc.workshop.store import Db, Row, one

CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that is read as another one
CODE_LENGTH = 6


@dataclass(frozen=True)
class Session:
    """One row of `workshop_sessions`, as far as others look at it."""

    id: int
    code: str
    name: str
    expected: int  # people, as announced
    speed: float  # seconds of the session's clock in a second
    state: Literal["running", "paused", "ended"]
    clock_s: float  # at `since_s`
    since_s: float | None  # None: the clock stands
    segment: int
    segment_clock_s: float  # clock at the segment's start
    frozen_s: float | None  # the board shows what was known then

    def at_clock_s(self, now_s: float) -> float:
        """The session's clock."""
        return self.clock_s + (0.0 if self.since_s is None else max(0.0, now_s - self.since_s) * self.speed)


def from_row(row: Row) -> Session:
    return Session(**{name: row[name] for name in Session.__dataclass_fields__})


async def live(db: Db) -> Session | None:
    """The session that has not ended."""
    row = await one(db, "SELECT * FROM workshop_sessions WHERE state <> 'ended'")
    return from_row(row) if row else None


async def latest(db: Db) -> Session | None:
    """The live session, else the one that ended last: what a board shows."""
    row = await one(db, "SELECT * FROM workshop_sessions ORDER BY (state <> 'ended') DESC, id DESC LIMIT 1")
    return from_row(row) if row else None


async def find(db: Db, code: str) -> Session | None:
    """The session of a join code, ended or not."""
    row = await one(db, "SELECT * FROM workshop_sessions WHERE code = %s", (code.upper(),))
    return from_row(row) if row else None


async def needed(db: Db, *, locked: bool = False) -> Session:
    """The live session; `locked` until the turn ends. Raises Refused (409) when there is none."""
    row = await one(db, "SELECT * FROM workshop_sessions WHERE state <> 'ended'" + (" FOR UPDATE" if locked else ""))
    if row is None:
        raise Refused(409, "no session is running; start one on the facilitator's page")
    return from_row(row)


async def start(db: Db, *, name: str, expected: int, speed: float, now_s: float) -> Session:
    """A new session. Raises Refused (409) while another one lives."""
    code = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    try:
        row = await one(
            db,
            "INSERT INTO workshop_sessions (code, name, expected, speed, state, started_s, since_s)"
            " VALUES (%s, %s, %s, %s, 'running', %s, %s) RETURNING *",
            (code, name, expected, speed, now_s, now_s),
        )
    except psycopg.errors.UniqueViolation as error:
        raise Refused(409, "a session is running already; end it on the facilitator's page first") from error
    assert row is not None
    session = from_row(row)
    await note(db, session, "start", name, now_s=now_s)
    return session


async def pause(db: Db, session: Session, *, now_s: float) -> Session:
    """Stop the clock. A paused session stays as it is."""
    if session.state == "paused":
        return session
    clock_s = session.at_clock_s(now_s)
    return await _change(db, session, "pause", now_s, state="paused", clock_s=clock_s, since_s=None, ended_s=None)


async def resume(db: Db, session: Session, *, now_s: float) -> Session:
    """Let the clock run again."""
    if session.state == "running":
        return session
    return await _change(
        db, session, "resume", now_s, state="running", clock_s=session.clock_s, since_s=now_s, ended_s=None
    )


async def stop(db: Db, session: Session, *, now_s: float) -> Session:
    """End the session for good. Tickets stay as they are."""
    clock_s = session.at_clock_s(now_s)
    return await _change(db, session, "stop", now_s, state="ended", clock_s=clock_s, since_s=None, ended_s=now_s)


async def freeze(db: Db, session: Session, *, on: bool, now_s: float) -> Session:
    """Let the board stand still, or move again. Freezing twice keeps the first moment."""
    if on == (session.frozen_s is not None):
        return session
    row = await one(
        db,
        "UPDATE workshop_sessions SET frozen_s = %s WHERE id = %s RETURNING *",
        (now_s if on else None, session.id),
    )
    assert row is not None
    await note(db, session, "freeze" if on else "thaw", "", now_s=now_s)
    return from_row(row)


async def go_to(db: Db, session: Session, segment: int, *, title: str, now_s: float) -> Session:
    """Begin a segment of the hour. Beginning the one that runs changes nothing."""
    if segment == session.segment:
        return session
    row = await one(
        db,
        "UPDATE workshop_sessions SET segment = %s, segment_clock_s = %s WHERE id = %s RETURNING *",
        (segment, session.at_clock_s(now_s), session.id),
    )
    assert row is not None
    await note(db, session, "segment", title, now_s=now_s)
    return from_row(row)


async def note(db: Db, session: Session, what: str, detail: str, *, now_s: float) -> None:
    """Write down a moment of the session: what a facilitator did."""
    await db.execute(
        "INSERT INTO workshop_moments (session_id, what, detail, at_s, at_clock_s) VALUES (%s, %s, %s, %s, %s)",
        (session.id, what, detail, now_s, session.at_clock_s(now_s)),
    )


async def _change(db: Db, session: Session, what: str, now_s: float, **new: Any) -> Session:
    row = await one(
        db,
        "UPDATE workshop_sessions SET state = %(state)s, clock_s = %(clock_s)s, since_s = %(since_s)s,"
        " ended_s = %(ended_s)s WHERE id = %(id)s RETURNING *",
        {**new, "id": session.id},
    )
    assert row is not None
    await note(db, session, what, "", now_s=now_s)
    return from_row(row)
