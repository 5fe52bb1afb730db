"""The hour in figures: summary, progress, leaderboard and the export, as the source's analytics ask for them."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median

from labsvc.deps import Clock
from labsvc.rest import Refused
from labsvc.workshop import runs as run_rows
from labsvc.workshop import session as sessions
from labsvc.workshop import views
from labsvc.workshop.plan import Plan
from labsvc.workshop.runs import Run
from labsvc.workshop.session import Session
from labsvc.workshop.shapes import (
    Export,
    Leaderboard,
    ParticipantProgress,
    Progress,
    Room,
    RunShape,
    Success,
    Summary,
)
from labsvc.workshop.store import Db, Store, one, rows
from labsvc.workshop.views import best_of, everyone


class Analytics:
    """Questions about one session: the one that is named, else the one that runs or ran last."""

    def __init__(self, store: Store, plan: Plan, clock: Clock) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock

    async def room(self) -> Room:
        """Board and people."""
        async with self._store.turn() as db:
            return await views.room(db, self._plan, await sessions.latest(db), now_s=self._clock.now_s())

    async def summary(self, workshop_id: int | None) -> Summary:
        """Raises Refused (404) when there is no such session; so do the others."""
        async with self._store.turn() as db:
            return await summary(db, self._plan, await _shown(db, workshop_id))

    async def progress(self, workshop_id: int | None) -> Progress:
        async with self._store.turn() as db:
            return Progress(participants=await progress(db, self._plan, await _shown(db, workshop_id)))

    async def leaderboard(self, workshop_id: int | None, *, through_ice: bool) -> Leaderboard:
        """All standings; while the board is frozen those of that moment, unless `through_ice`."""
        async with self._store.turn() as db:
            session = await _shown(db, workshop_id)
            until_s = None if through_ice else session.frozen_s
            standings = await views.leaders(db, session, until_s=until_s)
        return Leaderboard(
            is_frozen=session.frozen_s is not None, participants=[views.leader(standing) for standing in standings]
        )

    async def export(self, workshop_id: int | None) -> Export:
        """Every run and the tickets' books."""
        async with self._store.turn() as db:
            return await export(db, await _shown(db, workshop_id))


async def progress(db: Db, plan: Plan, session: Session) -> list[ParticipantProgress]:
    """Progress of every participant, as the source asks for it."""
    found = await rows(db, "SELECT * FROM workshop_progress WHERE session_id = %s ORDER BY person_id", (session.id,))
    solved = _solved(await run_rows.of_session(db, session), plan.solved_score)
    return [
        ParticipantProgress(
            participant_id=row["person_id"],
            name=row["name"],
            challenge_level=next((lab for lab in reversed(plan.labs) if lab in solved.get(row["person_id"], ())), ""),
            technology=row["technology"],
            tickets_handled=row["tickets_handled"],
            orders_processed=row["orders_processed"],
            last_activity_s=row["last_activity_s"],
        )
        for row in found
    ]


async def summary(db: Db, plan: Plan, session: Session) -> Summary:
    """The hour in figures."""
    everybody = await everyone(db, session)
    found = await run_rows.of_session(db, session)
    solved = _solved(found, plan.solved_score)
    return Summary(
        workshop_id=session.id,
        name=session.name,
        total_participants=len(everybody),
        ready_participants=sum(1 for row in everybody if row["ready_code"]),
        completed_challenges=sum(len(labs) for labs in solved.values()),
        technology_distribution=dict(Counter(row["technology"] or "unknown" for row in everybody)),
        success_metrics=await _success(db, plan, session, found, solved),
        tickets=await views.ticket_counts(db, session),
        average_response_s=await views.average_response_s(db, session),
        scenario_distribution=await views.scenario_distribution(db, session),
    )


async def export(db: Db, session: Session) -> Export:
    """Every run and the tickets' books."""
    found = await rows(
        db,
        "SELECT p.name AS participant, r.person_id AS participant_id, r.lab, r.run, r.score, r.verdict"
        " FROM workshop_runs r JOIN workshop_people p ON p.id = r.person_id WHERE r.session_id = %s ORDER BY r.at_s",
        (session.id,),
    )
    handled = await rows(
        db,
        "SELECT person_id, count(*) AS n FROM workshop_tickets"
        " WHERE session_id = %s AND state IN ('resolved', 'escalated') GROUP BY person_id",
        (session.id,),
    )
    return Export(
        runs=[RunShape(**row) for row in found],
        tickets=await views.ticket_counts(db, session),
        handled={row["person_id"]: row["n"] for row in handled},
    )


def _solved(found: Sequence[Run], solved_score: int) -> dict[int, set[str]]:
    solved: dict[int, set[str]] = {}
    for run in found:
        if run.counts and run.score >= solved_score:
            solved.setdefault(run.person_id, set()).add(run.lab)
    return solved


async def _success(db: Db, plan: Plan, session: Session, found: Sequence[Run], solved: dict[int, set[str]]) -> Success:
    began = {
        row["detail"]: row["at_clock_s"]
        for row in await rows(
            db,
            "SELECT detail, at_clock_s FROM workshop_moments WHERE session_id = %s AND what = 'segment'",
            (session.id,),
        )
    }
    first: dict[str, dict[int, float]] = {}
    for run in found:
        if run.counts and run.score >= plan.solved_score:
            first.setdefault(run.lab, {}).setdefault(run.person_id, run.at_clock_s)
    titles = {segment.lab: segment.title for segment in plan.segments if segment.lab}
    return Success(
        runs=len(found),
        valid_runs=sum(1 for run in found if run.counts),
        mean_best={lab: round(fmean(best.values()), 1) for lab in plan.labs if (best := best_of(found, lab))},
        solved={lab: sum(1 for labs in solved.values() if lab in labs) for lab in plan.labs},
        median_solved_after_s={
            lab: round(max(0.0, median(times.values()) - began.get(titles.get(lab, ""), 0.0)), 1)
            for lab, times in first.items()
        },
    )


async def _shown(db: Db, workshop_id: int | None) -> Session:
    if workshop_id is None:
        session = await sessions.latest(db)
    else:
        row = await one(db, "SELECT * FROM workshop_sessions WHERE id = %s", (workshop_id,))
        session = sessions.from_row(row) if row else None
    if session is None:
        raise Refused(404, "there is no such session" if workshop_id else "no session has been started yet")
    return session
