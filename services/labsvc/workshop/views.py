"""What pages and analytics show, read from the tables in one go. Reads only."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from labsvc.workshop import runs as run_rows
from labsvc.workshop import tickets
from labsvc.workshop.plan import Plan
from labsvc.workshop.runs import Run, Standing, StuckRule
from labsvc.workshop.session import Session
from labsvc.workshop.shapes import (
    Board,
    ClockShape,
    LabCounts,
    Leader,
    Moment,
    PeopleCounts,
    PersonShape,
    Recent,
    Room,
    SegmentShape,
    SessionShape,
    TicketCounts,
)
from labsvc.workshop.store import Db, Row, one, rows

LEADERS_SHOWN = 20
RECENT_SHOWN = 8
ARRIVED_SHOWN = 60
MOMENTS_SHOWN = 30

NO_TICKETS = TicketCounts(opened=0, open=0, held=0, resolved=0, escalated=0, waiting=0)


def session_shape(session: Session, plan: Plan, *, now_s: float) -> SessionShape:
    """A session for everybody."""
    return SessionShape(
        id=session.id,
        code=session.code,
        name=session.name,
        state=session.state,
        is_frozen=session.frozen_s is not None,
        expected=session.expected,
        clock=ClockShape(
            now_s=now_s, clock_s=session.at_clock_s(now_s), speed=session.speed, runs=session.since_s is not None
        ),
        segment=session.segment,
        segment_clock_s=session.segment_clock_s,
        segments=[SegmentShape(**segment.model_dump()) for segment in plan.segments],
    )


async def room(db: Db, plan: Plan, session: Session | None, *, now_s: float) -> Room:
    """Everything that board and facilitator page show, from one look at the tables."""
    if session is None:
        nobody = PeopleCounts(joined=0, active=0, ready=0)
        empty = Board(session=None, people=nobody, tickets=NO_TICKETS, labs=[], leaders=[], recent=[], arrived=[])
        return Room(board=empty, people=[], moments=[])
    found = await run_rows.of_session(db, session)
    everybody = await everyone(db, session)
    names = {row["id"]: row["name"] for row in everybody}
    active_from_s = now_s - plan.active_s / session.speed
    shown = [run for run in found if session.frozen_s is None or run.at_s <= session.frozen_s]
    board = Board(
        session=session_shape(session, plan, now_s=now_s),
        people=PeopleCounts(
            joined=len(everybody),
            active=sum(1 for row in everybody if row["seen_s"] > active_from_s),
            ready=sum(1 for row in everybody if row["ready_code"]),
        ),
        tickets=await ticket_counts(db, session),
        labs=[_lab_counts(lab, shown, plan.solved_score) for lab in plan.labs],
        leaders=[leader(standing) for standing in run_rows.standings(shown, names)[:LEADERS_SHOWN]],
        recent=[Recent(name=names.get(r.person_id, "?"), lab=r.lab, score=r.score) for r in _recent(shown)],
        arrived=[row["name"] for row in reversed(everybody)][:ARRIVED_SHOWN],
    )
    people = _person_shapes(session, plan, everybody, found, active_from_s=active_from_s, now_s=now_s)
    return Room(board=board, people=people, moments=await moments(db, session))


async def leaders(db: Db, session: Session, *, until_s: float | None) -> list[Standing]:
    """The whole leaderboard."""
    names = {row["id"]: row["name"] for row in await everyone(db, session)}
    return run_rows.standings(await run_rows.of_session(db, session), names, until_s=until_s)


def leader(standing: Standing) -> Leader:
    """A standing, as pages see it."""
    return Leader(
        rank=standing.rank,
        participant_id=standing.person_id,
        name=standing.name,
        total=standing.total,
        best=standing.best,
        runs=standing.runs,
    )


async def moments(db: Db, session: Session) -> list[Moment]:
    """What the facilitator did, the newest first."""
    found = await rows(
        db,
        "SELECT what, detail, at_s, at_clock_s FROM workshop_moments WHERE session_id = %s ORDER BY id DESC LIMIT %s",
        (session.id, MOMENTS_SHOWN),
    )
    return [Moment(**row) for row in found]


async def scenario_distribution(db: Db, session: Session) -> dict[str, int]:
    """How often each world scenario was triggered."""
    found = await rows(
        db,
        "SELECT detail, count(*) AS n FROM workshop_moments"
        " WHERE session_id = %s AND what = 'scenario' GROUP BY detail",
        (session.id,),
    )
    return {row["detail"]: row["n"] for row in found}


async def average_response_s(db: Db, session: Session) -> float | None:
    """Mean time from opening a ticket to its first holder, on the session's clock."""
    row = await one(
        db,
        "SELECT avg(first_held_clock_s - opened_clock_s) AS mean FROM workshop_tickets"
        " WHERE session_id = %s AND first_held_clock_s IS NOT NULL",
        (session.id,),
    )
    return None if row is None or row["mean"] is None else float(row["mean"])


async def ticket_counts(db: Db, session: Session) -> TicketCounts:
    return TicketCounts(**vars(await tickets.counts(db, session)))


async def everyone(db: Db, session: Session) -> list[dict[str, Any]]:
    """All participants with what they hold and have handled."""
    return await rows(
        db,
        "SELECT p.*, t.id AS holds, w.person_id IS NOT NULL AS waits,"
        " (SELECT count(*) FROM workshop_tickets h"
        "   WHERE h.person_id = p.id AND h.state IN ('resolved', 'escalated')) AS handled"
        " FROM workshop_people p"
        " LEFT JOIN workshop_tickets t ON t.person_id = p.id AND t.state = 'held'"
        " LEFT JOIN workshop_waiting w ON w.person_id = p.id WHERE p.session_id = %s ORDER BY p.id",
        (session.id,),
    )


def _person_shapes(
    session: Session, plan: Plan, everybody: Sequence[Row], found: Sequence[Run], *, active_from_s: float, now_s: float
) -> list[PersonShape]:
    by_person: dict[int, list[Run]] = {}
    for run in found:
        by_person.setdefault(run.person_id, []).append(run)
    standings = {s.person_id: s for s in run_rows.standings(found, {})}
    shapes = []
    for row in everybody:
        theirs = by_person.get(row["id"], [])
        standing = standings.get(row["id"])
        shapes.append(
            PersonShape(
                id=row["id"],
                name=row["name"],
                is_here=row["seen_s"] > active_from_s,
                ready_code=row["ready_code"],
                technology=row["technology"],
                best=standing.best if standing else {},
                total=standing.total if standing else 0,
                runs=len(theirs),
                last=_in_words(theirs[-1]) if theirs else "",
                stuck=_stuck(session, plan, row, theirs, now_s=now_s),
                holds=row["holds"],
                waits=row["waits"],
                handled=row["handled"],
            )
        )
    return shapes


def _stuck(session: Session, plan: Plan, row: Row, theirs: Sequence[Run], *, now_s: float) -> str:
    lab = plan.segments[min(session.segment, len(plan.segments) - 1)].lab
    if lab is None or session.state == "ended":
        return ""
    clock_s = session.at_clock_s(now_s)
    return run_rows.stuck(
        [run for run in theirs if run.lab == lab],
        joined_clock_s=row["joined_clock_s"],
        began_clock_s=session.segment_clock_s,
        now_clock_s=clock_s,
        rule=StuckRule(plan.stuck_after_s, plan.stuck_same_failures, plan.solved_score),
    )


def _in_words(run: Run) -> str:
    if not run.counts:
        return f"{run.lab}: does not count" + (f", {run.failure}" if run.failure else "")
    return f"{run.lab}: {run.score}" + (f", {run.failure}" if run.failure else "")


def _recent(shown: Sequence[Run]) -> list[Run]:
    return [run for run in reversed(shown) if run.counts][:RECENT_SHOWN]


def best_of(found: Sequence[Run], lab: str) -> dict[int, int]:
    """Participant → best valid score in a lab."""
    best: dict[int, int] = {}
    for run in found:
        if run.lab == lab and run.counts:
            best[run.person_id] = max(run.score, best.get(run.person_id, 0))
    return best


def _lab_counts(lab: str, found: Sequence[Run], solved_score: int) -> LabCounts:
    best = best_of(found, lab)
    return LabCounts(
        lab=lab,
        tried=len({run.person_id for run in found if run.lab == lab}),
        solved=sum(1 for score in best.values() if score >= solved_score),
        best=max(best.values(), default=0),
        mean_best=round(fmean(best.values()), 1) if best else 0.0,
    )
