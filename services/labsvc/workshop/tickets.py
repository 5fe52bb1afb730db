"""Tickets: a queue that people take from, one at a time.

                        ┌───────── given back, or silence ─────────┐
    open_ticket ──▶ open ──▶ held by one person ──▶ resolved | escalated

Whoever asks joins a line; one function hands tickets to the line, the fewest tickets so far first, then who waits
longest. So nobody can be overtaken, and a ticket has one holder: the row has one place for it. Everything may be asked
twice.
"""

import math
from dataclasses import dataclass
from typing import Literal, LiteralString

from labsvc.rest import Refused
from labsvc.workshop.plan import TicketNumbers
from labsvc.workshop.session import Session
from labsvc.workshop.store import Db, Row, one, rows
from labsvc.worlds import TicketDraft

HAND_OUT_LOCK = 4_711_002  # advisory lock, with the session's number: one hands out at a time
# ends a statement that begins WITH moved AS (… RETURNING *): each move is written down in the statement that makes it
_LOGGED: LiteralString = (
    ", logged AS (INSERT INTO workshop_ticket_log (ticket_id, person_id, what, at_s)"
    " SELECT id, {person}, %(what)s, %(now)s FROM moved) SELECT * FROM moved"
)

Ending = Literal["resolved", "escalated"]


@dataclass(frozen=True)
class Ticket:
    """One row of `workshop_tickets`, as far as others look at it."""

    id: int
    key: str
    kind: str
    subject: str
    description: str
    priority: str
    category: str
    response_target_s: float
    tags: list[str]
    cost_cents: int | None
    order_number: str
    state: Literal["open", "held", "resolved", "escalated"]
    returns: int
    held_clock_s: float | None


@dataclass(frozen=True)
class Moved:
    """A ticket that changed hands."""

    what: Literal["opened", "held", "returned", "resolved", "escalated"]
    ticket: Ticket
    person_id: int | None


@dataclass(frozen=True)
class Counts:
    """opened = open + held + resolved + escalated holds over every session."""

    opened: int = 0
    open: int = 0
    held: int = 0
    resolved: int = 0
    escalated: int = 0
    waiting: int = 0  # people in line


def from_row(row: Row) -> Ticket:
    return Ticket(**{name: row[name] for name in Ticket.__dataclass_fields__})


def target(active_people: int, numbers: TicketNumbers) -> int:
    """How many tickets should be open or in hand: enough that everybody can have one and some are left."""
    return max(numbers.active_min, math.ceil(active_people * numbers.active_per_person))


async def open_ticket(db: Db, session: Session, draft: TicketDraft, *, now_s: float) -> Moved | None:
    """Put a ticket into the queue; None when it is there already."""
    row = await one(
        db,
        "WITH moved AS (INSERT INTO workshop_tickets (session_id, key, kind, subject, description, priority, category,"
        " response_target_s, tags, needs_escalation, cost_cents, order_number, state, opened_s, opened_clock_s)"
        " VALUES (%(session)s, %(key)s, %(kind)s, %(subject)s, %(description)s, %(priority)s, %(category)s,"
        " %(response_target_s)s, %(tags)s, %(needs_escalation)s, %(cost_cents)s, %(order_number)s,"
        " 'open', %(now)s, %(clock)s)"
        " ON CONFLICT (session_id, key) DO NOTHING RETURNING *)" + _LOGGED.format(person="NULL::bigint"),
        {
            **vars(draft),
            "tags": list(draft.tags),
            "session": session.id,
            "now": now_s,
            "clock": session.at_clock_s(now_s),
            "what": "opened",
        },
    )
    return Moved("opened", from_row(row), None) if row else None


async def ending(db: Db, session: Session, key: str) -> Ending | None:
    """How the ticket of a key ended; None when it has not."""
    row = await one(
        db,
        "SELECT state FROM workshop_tickets WHERE session_id = %s AND key = %s AND state IN ('resolved', 'escalated')",
        (session.id, key),
    )
    return row["state"] if row else None


async def lock(db: Db, session: Session) -> None:
    """Let one turn at a time change who holds what: asked twice at the same moment must not be two tickets."""
    await db.execute("SELECT pg_advisory_xact_lock(%s, %s)", (HAND_OUT_LOCK, session.id))


async def wait(db: Db, session: Session, person_id: int, *, now_s: float) -> None:
    """Join the line, unless a ticket is in hand; who is in it already keeps the place. Call `lock` first."""
    if session.state != "running":
        raise Refused(409, f"the session is {session.state}; tickets are handed out while it runs")
    await db.execute(
        "INSERT INTO workshop_waiting (person_id, session_id, since_s) SELECT %(person)s, %(session)s, %(now)s"
        " WHERE NOT EXISTS (SELECT 1 FROM workshop_tickets WHERE person_id = %(person)s AND state = 'held')"
        " ON CONFLICT DO NOTHING",
        {"person": person_id, "session": session.id, "now": now_s},
    )


async def standing(db: Db, session: Session, person_id: int) -> tuple[int | None, int]:
    """How many people are before somebody in the line (None for who is not in it), and how many tickets it handled."""
    row = await one(
        db,
        "SELECT (SELECT place - 1 FROM"
        "   (SELECT p.id, row_number() OVER (ORDER BY p.taken, w.since_s, p.id) AS place"
        "    FROM workshop_waiting w JOIN workshop_people p ON p.id = w.person_id"
        "    WHERE w.session_id = %(session)s) line WHERE id = %(person)s) AS ahead,"
        " (SELECT count(*) FROM workshop_tickets"
        "   WHERE person_id = %(person)s AND state IN ('resolved', 'escalated')) AS handled",
        {"session": session.id, "person": person_id},
    )
    assert row is not None
    return row["ahead"], row["handled"]


async def leave(db: Db, person_id: int) -> None:
    """Leave the line."""
    await db.execute("DELETE FROM workshop_waiting WHERE person_id = %s", (person_id,))


async def hand_out(db: Db, session: Session, *, now_s: float) -> list[Moved]:
    """Give open tickets to the line: the most urgent and oldest to who had fewest and waits longest. `lock` first."""
    if session.state != "running":
        return []
    given = await rows(
        db,
        "WITH queue AS (SELECT id, row_number() OVER (ORDER BY"
        "   CASE priority WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'medium' THEN 2 ELSE 3 END,"
        "   returns DESC, opened_s, id) AS place"
        "   FROM workshop_tickets WHERE session_id = %(session)s AND state = 'open'),"
        " line AS (SELECT p.id, row_number() OVER (ORDER BY p.taken, w.since_s, p.id) AS place"
        "   FROM workshop_waiting w JOIN workshop_people p ON p.id = w.person_id WHERE w.session_id = %(session)s),"
        " moved AS (UPDATE workshop_tickets t SET state = 'held', person_id = line.id, held_clock_s = %(clock)s,"
        "   heard_clock_s = %(clock)s, first_held_clock_s = COALESCE(first_held_clock_s, %(clock)s)"
        "   FROM queue JOIN line USING (place) WHERE t.id = queue.id RETURNING t.*),"
        " counted AS (UPDATE workshop_people p SET taken = taken + 1 FROM moved WHERE p.id = moved.person_id),"
        " served AS (DELETE FROM workshop_waiting w USING moved WHERE w.person_id = moved.person_id),"
        + _LOGGED.format(person="person_id").removeprefix(","),
        {"session": session.id, "clock": session.at_clock_s(now_s), "now": now_s, "what": "held"},
    )
    return [Moved("held", from_row(row), row["person_id"]) for row in given]


async def heard(db: Db, session: Session, person_id: int, *, now_s: float) -> Ticket | None:
    """Note a sign of life; what this person holds."""
    row = await one(
        db,
        "UPDATE workshop_tickets SET heard_clock_s = %s WHERE person_id = %s AND state = 'held' RETURNING *",
        (session.at_clock_s(now_s), person_id),
    )
    return from_row(row) if row else None


async def close(
    db: Db, session: Session, ticket_id: int, person_id: int, *, how: Ending, answer: str, now_s: float
) -> Moved | None:
    """End a ticket that is in hand. None when this person has ended it in the same way before.

    Raises Refused: 404 when there is no such ticket, 409 when it is not this person's (any more).
    """
    row = await _locked(db, session, ticket_id)
    if row["person_id"] == person_id and row["state"] == how:
        return None
    if row["person_id"] != person_id or row["state"] != "held":
        raise Refused(409, f"ticket {ticket_id} is not in your hands (it is {row['state']}); ask for one")
    updated = await one(
        db,
        "WITH moved AS (UPDATE workshop_tickets SET state = %(what)s, answer = %(answer)s, closed_clock_s = %(clock)s"
        " WHERE id = %(ticket)s RETURNING *)" + _LOGGED.format(person="person_id"),
        {"what": how, "answer": answer, "clock": session.at_clock_s(now_s), "ticket": ticket_id, "now": now_s},
    )
    assert updated is not None
    return Moved(how, from_row(updated), person_id)


async def give_back(db: Db, session: Session, ticket_id: int, person_id: int, *, now_s: float) -> Moved | None:
    """Put a ticket back into the queue. None when it is not in this person's hands any more. Raises Refused (404)."""
    row = await _locked(db, session, ticket_id)
    if row["person_id"] != person_id or row["state"] != "held":
        return None
    return await _return(db, ticket_id, person_id, now_s=now_s)


async def give_back_silent(db: Db, session: Session, numbers: TicketNumbers, *, now_s: float) -> list[Moved]:
    """Put back what silent people hold, and take them out of the line."""
    if session.state != "running":
        return []
    silent = await rows(
        db,
        "SELECT id, person_id FROM workshop_tickets WHERE session_id = %s AND state = 'held' AND heard_clock_s < %s"
        " FOR UPDATE SKIP LOCKED",
        (session.id, session.at_clock_s(now_s) - numbers.silence_s),
    )
    await db.execute(
        "DELETE FROM workshop_waiting w USING workshop_people p"
        " WHERE p.id = w.person_id AND w.session_id = %s AND p.seen_s < %s",
        (session.id, now_s - numbers.wait_s / session.speed),
    )
    return [await _return(db, row["id"], row["person_id"], now_s=now_s) for row in silent]


async def forgive_silence(db: Db, session: Session, *, now_s: float) -> None:
    """Start everybody's silence anew: after an interruption of ours nobody could be heard."""
    await db.execute(
        "UPDATE workshop_tickets SET heard_clock_s = %s WHERE session_id = %s AND state = 'held'",
        (session.at_clock_s(now_s), session.id),
    )
    await db.execute(
        "UPDATE workshop_people SET seen_s = %s WHERE id IN"
        " (SELECT person_id FROM workshop_waiting WHERE session_id = %s)",
        (now_s, session.id),
    )


async def counts(db: Db, session: Session) -> Counts:
    """How many tickets are where."""
    found = await rows(
        db, "SELECT state, count(*) AS n FROM workshop_tickets WHERE session_id = %s GROUP BY state", (session.id,)
    )
    waiting = await one(db, "SELECT count(*) AS n FROM workshop_waiting WHERE session_id = %s", (session.id,))
    by_state = {row["state"]: row["n"] for row in found}
    return Counts(opened=sum(by_state.values()), waiting=waiting["n"] if waiting else 0, **by_state)


async def _locked(db: Db, session: Session, ticket_id: int) -> Row:
    row = await one(
        db, "SELECT * FROM workshop_tickets WHERE id = %s AND session_id = %s FOR UPDATE", (ticket_id, session.id)
    )
    if row is None:
        raise Refused(404, f"there is no ticket {ticket_id} in this session")
    return row


async def _return(db: Db, ticket_id: int, person_id: int, *, now_s: float) -> Moved:
    row = await one(
        db,
        "WITH moved AS (UPDATE workshop_tickets SET state = 'open', person_id = NULL, held_clock_s = NULL,"
        " heard_clock_s = NULL, returns = returns + 1 WHERE id = %(ticket)s RETURNING *)"
        + _LOGGED.format(person="%(person)s::bigint"),
        {"ticket": ticket_id, "person": person_id, "now": now_s, "what": "returned"},
    )
    assert row is not None
    return Moved("returned", from_row(row), person_id)
