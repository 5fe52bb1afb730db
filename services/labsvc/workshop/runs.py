"""Runs that participants finished, and what follows from them: best scores, the leaderboard, who is stuck.

A run is known by participant, lab and run id: sent twice, or sent and pasted, it counts once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from labsvc.workshop.scoreline import ScoreLine
from labsvc.workshop.session import Session
from labsvc.workshop.store import Db, one, rows


@dataclass(frozen=True)
class Run:
    """One row of `workshop_runs`, as far as others look at it."""

    person_id: int
    lab: str
    run: str
    score: int
    counts: bool  # VALID, and of full length
    failure: str  # what was lost, in a few words that are the same for the same failure
    at_s: float
    at_clock_s: float


@dataclass(frozen=True)
class Standing:
    """One row of the leaderboard: the sum of the best valid score of each lab."""

    rank: int
    person_id: int
    name: str
    total: int
    best: dict[str, int]  # lab → best valid score
    runs: int


async def submit(
    db: Db, session: Session, person_id: int, line: ScoreLine, *, failure: str, source: str, now_s: float
) -> bool:
    """Note a run; whether it is new. A run that was pasted learns its failure when it is sent as well."""
    row = await one(
        db,
        "INSERT INTO workshop_runs (person_id, lab, run, session_id, score, verdict, p95_ms, ok_ratio, counts,"
        " said_by, failure, source, at_s, at_clock_s) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING run",
        (
            person_id,
            line.lab,
            line.run,
            session.id,
            line.score,
            line.verdict,
            line.p95_ms,
            line.ok_ratio,
            line.counts,
            line.by,
            failure,
            source,
            now_s,
            session.at_clock_s(now_s),
        ),
    )
    if row is None and failure:
        await db.execute(
            "UPDATE workshop_runs SET failure = %s WHERE person_id = %s AND lab = %s AND run = %s AND failure = ''",
            (failure, person_id, line.lab, line.run),
        )
    return row is not None


async def is_of_another(db: Db, session: Session, person_id: int, line: ScoreLine) -> bool:
    """Whether somebody else has this run: who pastes the whole chat pastes everybody's."""
    row = await one(
        db,
        "SELECT 1 FROM workshop_runs WHERE session_id = %s AND lab = %s AND run = %s AND said_by = %s"
        " AND person_id <> %s LIMIT 1",
        (session.id, line.lab, line.run, line.by, person_id),
    )
    return row is not None


async def of_session(db: Db, session: Session) -> list[Run]:
    """All runs of a session, in the order in which they came."""
    found = await rows(
        db,
        "SELECT person_id, lab, run, score, counts, failure, at_s, at_clock_s FROM workshop_runs"
        " WHERE session_id = %s ORDER BY at_s, person_id, lab, run",
        (session.id,),
    )
    return [Run(**row) for row in found]


def standings(runs: Sequence[Run], names: dict[int, str], *, until_s: float | None = None) -> list[Standing]:
    """The leaderboard from runs in their order; with `until_s` as it was then. Who was there first wins a tie."""
    best: dict[int, dict[str, int]] = {}
    better_s: dict[int, float] = {}
    count: dict[int, int] = {}
    for run in runs:
        if until_s is not None and run.at_s > until_s:
            break
        count[run.person_id] = count.get(run.person_id, 0) + 1
        mine = best.setdefault(run.person_id, {})
        if run.counts and run.score > mine.get(run.lab, -1):
            mine[run.lab] = run.score
            better_s[run.person_id] = run.at_s
    order = sorted(
        (person for person, labs in best.items() if labs),
        key=lambda person: (-sum(best[person].values()), better_s[person], person),
    )
    return [
        Standing(rank, person, names.get(person, "?"), sum(best[person].values()), best[person], count[person])
        for rank, person in enumerate(order, start=1)
    ]


@dataclass(frozen=True)
class StuckRule:
    """When somebody counts as stuck in the lab that everybody is in."""

    after_s: float
    same_failures: int
    solved_score: int


def stuck(
    runs: Sequence[Run], *, joined_clock_s: float, began_clock_s: float, now_clock_s: float, rule: StuckRule
) -> str:
    """Why one participant is stuck in a lab, "" when not. `runs` are this participant's of this lab, in order."""
    if any(run.counts and run.score >= rule.solved_score for run in runs):
        return ""
    last = [run.failure for run in runs[-rule.same_failures :]]
    if len(last) == rule.same_failures and last[0] and len(set(last)) == 1:
        return f"{rule.same_failures} times the same: {last[0]}"
    valid = [run.at_clock_s for run in runs if run.counts]
    since_s = max([began_clock_s, joined_clock_s, *valid])
    if now_clock_s - since_s > rule.after_s:
        what = "no new valid run" if valid else "no valid run"
        return f"{what} for {int((now_clock_s - since_s) // 60)} min"
    return ""
