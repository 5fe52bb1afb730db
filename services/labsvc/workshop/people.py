"""Who takes part: joining by code, tokens, who is here and ready.

A participant's token may be of its own making, so that joining can be repeated when the answer got lost. Only hashes
are stored. Two people of the same name get a number: nobody can take over another one's name.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from labsvc.rest import Refused, clean
from labsvc.workshop.session import Session
from labsvc.workshop.store import Db, one, rows


@dataclass(frozen=True)
class Person:
    """One participant."""

    id: int
    session_id: int
    name: str


@dataclass(frozen=True)
class Wish:
    """What somebody says when joining."""

    name: str
    token: str  # "": the server makes one
    technology: str
    ready_code: str


def hashed(token: str) -> str:
    """What is stored of a token. Tokens are random and long, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def name_key(name: str) -> str:
    """What makes two names the same."""
    return clean(name).casefold()


async def join(db: Db, session: Session, wish: Wish, *, people_max: int, now_s: float) -> tuple[Person, str]:
    """The participant and its token. The same token again is the same participant, with what it says now.

    Raises Refused: 409 for an ended or a full session.
    """
    token = wish.token or secrets.token_urlsafe(24)
    await _one_at_a_time(db, session.id)
    known = await by_token(db, token)
    if known and known.session_id == session.id:
        row = await one(
            db,
            "UPDATE workshop_people SET seen_s = %s, technology = %s, ready_code = COALESCE(NULLIF(%s, ''), ready_code)"
            " WHERE id = %s RETURNING id, session_id, name",
            (now_s, wish.technology, wish.ready_code, known.id),
        )
        assert row is not None
        return Person(**row), token
    if known:
        raise Refused(409, "this token belongs to another session; join with a new one")
    if session.state == "ended":
        raise Refused(409, f"the session {session.code} has ended")
    names = await rows(db, "SELECT name_key, token_hash FROM workshop_people WHERE session_id = %s", (session.id,))
    if len(names) >= people_max:
        raise Refused(409, f"the session is full ({people_max} people)")
    taken = {row["name_key"] for row in names if row["token_hash"] is not None}
    name = _free_name(wish.name, taken)
    row = await one(
        db,
        "INSERT INTO workshop_people"
        " (session_id, name, name_key, token_hash, technology, ready_code, joined_clock_s, seen_s)"
        " VALUES (%(session)s, %(name)s, %(key)s, %(hash)s, %(technology)s, %(ready)s, %(clock)s, %(now)s)"
        # somebody whose score lines were pasted before now joins in person
        " ON CONFLICT (session_id, name_key) DO UPDATE SET token_hash = EXCLUDED.token_hash,"
        " technology = EXCLUDED.technology, ready_code = EXCLUDED.ready_code, seen_s = EXCLUDED.seen_s"
        " RETURNING id, session_id, name",
        {
            "session": session.id,
            "name": name,
            "key": name_key(name),
            "hash": hashed(token),
            "technology": wish.technology,
            "ready": wish.ready_code,
            "clock": session.at_clock_s(now_s),
            "now": now_s,
        },
    )
    assert row is not None
    return Person(**row), token


async def by_token(db: Db, token: str) -> Person | None:
    """Whose token this is."""
    row = await one(db, "SELECT id, session_id, name FROM workshop_people WHERE token_hash = %s", (hashed(token),))
    return Person(**row) if row else None


async def seen(db: Db, heard_s: Mapping[int, float]) -> None:
    """Note when participants were heard."""
    if heard_s:
        await db.execute(
            "UPDATE workshop_people p SET seen_s = GREATEST(p.seen_s, heard.at_s)"
            " FROM unnest(%s::bigint[], %s::float8[]) AS heard (id, at_s) WHERE p.id = heard.id",
            (list(heard_s), list(heard_s.values())),
        )


async def ready(db: Db, person_id: int, code: str) -> None:
    """Note the readiness code that the preflight printed."""
    await db.execute("UPDATE workshop_people SET ready_code = %s WHERE id = %s", (code, person_id))


async def rename(db: Db, person_id: int, name: str) -> Person | None:
    """Give a participant another name, with a number when somebody else has it; None when there is no such person."""
    found = await one(db, "SELECT session_id FROM workshop_people WHERE id = %s", (person_id,))
    if found is None:
        return None
    session_id = found["session_id"]
    await _one_at_a_time(db, session_id)
    others = await rows(
        db, "SELECT name_key FROM workshop_people WHERE session_id = %s AND id <> %s", (session_id, person_id)
    )
    name = _free_name(name, {row["name_key"] for row in others})
    row = await one(
        db,
        "UPDATE workshop_people SET name = %s, name_key = %s WHERE id = %s RETURNING id, session_id, name",
        (name, name_key(name), person_id),
    )
    return Person(**row) if row else None


async def named(db: Db, session: Session, name: str, *, now_s: float) -> int:
    """The participant whose name or whose score lines say `name`; a new one without a token when there is none."""
    row = await one(
        db,
        "SELECT id FROM workshop_people WHERE session_id = %(session)s AND name_key = %(key)s"
        " UNION ALL SELECT person_id FROM workshop_runs WHERE session_id = %(session)s AND said_by = %(name)s LIMIT 1",
        {"session": session.id, "key": name_key(name), "name": name},
    )
    if row is None:
        row = await one(
            db,
            "INSERT INTO workshop_people (session_id, name, name_key, joined_clock_s, seen_s)"
            " VALUES (%s, %s, %s, %s, 0)"
            " ON CONFLICT (session_id, name_key) DO UPDATE SET name = workshop_people.name RETURNING id",
            (session.id, name, name_key(name), session.at_clock_s(now_s)),
        )
    assert row is not None
    return int(row["id"])


async def active_count(db: Db, session: Session, *, active_s: float, now_s: float) -> int:
    """How many people were heard within `active_s` of the session's clock."""
    row = await one(
        db,
        "SELECT count(*) AS n FROM workshop_people WHERE session_id = %s AND seen_s > %s",
        (session.id, now_s - active_s / session.speed),
    )
    return int(row["n"]) if row else 0


async def _one_at_a_time(db: Db, session_id: int) -> None:
    """Whoever takes a name holds the session until the end of the transaction; who only refers to it may pass."""
    await db.execute("SELECT 1 FROM workshop_sessions WHERE id = %s FOR NO KEY UPDATE", (session_id,))


def _free_name(name: str, taken: set[str]) -> str:
    if name_key(name) not in taken:
        return name
    number = 2
    while name_key(f"{name} {number}") in taken:
        number += 1
    return f"{name} {number}"
