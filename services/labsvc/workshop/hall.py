"""Participants: joining, being ready, sending runs, pasting score lines."""

from labsvc.rest import Refused, Who
from labsvc.workshop import people, runs, scoreline, views
from labsvc.workshop import session as sessions
from labsvc.workshop.context import Context, person_id, session_of
from labsvc.workshop.doorkeeper import Doorkeeper
from labsvc.workshop.people import Wish
from labsvc.workshop.scoreline import BadLine, ScoreLine
from labsvc.workshop.session import Session
from labsvc.workshop.shapes import Joined, Me, Pasted, Renamed, Submitted
from labsvc.workshop.store import Db

PROBLEMS_TOLD = 50


class Hall:
    """Every method is one transaction, then the news of it. All may be asked twice."""

    def __init__(self, context: Context, door: Doorkeeper) -> None:
        self._context = context
        self._door = door

    async def join(self, code: str, wish: Wish, address: str) -> Joined:
        """Let somebody in. Raises Refused: 404 for a wrong code, 409 for a full session, 429 for too many tries."""
        self._door.wrong_codes.check(address)
        self._door.joins.check(address)
        self._door.joins.spend(address)
        now_s = self._context.now_s()
        async with self._context.store.turn() as db:
            session = await sessions.find(db, code)
            if session is None:
                self._door.wrong_codes.spend(address)
                raise Refused(404, f"no session has the code {code!r}; the code stands on the board")
            is_known = bool(wish.token) and await people.by_token(db, wish.token) is not None
            limit = self._context.plan.joining.people_max
            person, token = await people.join(db, session, wish, people_max=limit, now_s=now_s)
        if not is_known:
            self._context.emit("people.joined", {"name": person.name})
        shape = views.session_shape(session, self._context.plan, now_s=now_s)
        return Joined(participant_id=person.id, name=person.name, token=token, session=shape)

    async def me(self, who: Who) -> Me:
        """What a participant may know of itself."""
        async with self._context.store.turn() as db:
            session = await session_of(db, who)
        shape = views.session_shape(session, self._context.plan, now_s=self._context.now_s())
        return Me(participant_id=person_id(who), name=who.name, session=shape)

    async def rename(self, participant: int, name: str) -> Renamed:
        """Another name for somebody: on the board, for every run, from now on. Raises Refused (404)."""
        async with self._context.store.turn() as db:
            person = await people.rename(db, participant, name)
        if person is None:
            raise Refused(404, f"no participant {participant}; GET /workshop/room lists them")
        self._door.forget(person.id)
        return Renamed(participant_id=person.id, name=person.name)

    async def ready(self, who: Who, code: str) -> Me:
        """Note the readiness code of a participant."""
        async with self._context.store.turn() as db:
            await people.ready(db, person_id(who), code)
        return await self.me(who)

    async def submit(self, who: Who, text: str, failure: str) -> Submitted:
        """Take one run of this participant. Raises Refused (422) when the line is broken."""
        lines = self._parse(text)
        if len(lines) != 1:
            raise Refused(422, f"line: {len(lines)} score lines, expected one: SCORE lab=… check=…")
        line = lines[0]
        if isinstance(line, BadLine):
            raise Refused(422, f"line: {line.problem}")
        async with self._context.store.turn() as db:
            session = await session_of(db, who)
            is_new = await self._add(db, session, person_id(who), line, failure=failure, source="run")
            everybody = runs.standings(await runs.of_session(db, session), {})
        standing = next((s for s in everybody if s.person_id == who.id), None)
        if is_new:
            self._told(session, who.name, line)
        return Submitted(
            is_new=is_new,
            lab=line.lab,
            run=line.run,
            score=line.score,
            best=standing.best.get(line.lab, 0) if standing else 0,
            rank=standing.rank if standing and session.frozen_s is None else None,
        )

    async def paste(self, who: Who, text: str) -> Pasted:
        """Take every score line of a text: a facilitator for everybody, a participant for itself."""
        known = 0
        problems: list[str] = []
        news: list[tuple[str, ScoreLine]] = []
        async with self._context.store.turn() as db:
            session = await session_of(db, who) if who.role == "participant" else await _latest(db)
            for line in self._parse(text):
                if isinstance(line, BadLine):
                    problems.append(f"{line.text}: {line.problem}")
                    continue
                person = who.id or await people.named(db, session, line.by, now_s=self._context.now_s())
                if who.id and await runs.is_of_another(db, session, person, line):
                    problems.append(f"{line.lab} {line.run} by {line.by}: somebody else's run")
                elif await self._add(db, session, person, line, failure="", source="pasted"):
                    news.append((who.name or line.by, line))
                else:
                    known += 1
        for name, line in news:
            self._told(session, name, line)
        return Pasted(added=len(news), known=known, problems=problems[:PROBLEMS_TOLD])

    def _parse(self, text: str) -> list[ScoreLine | BadLine]:
        """The score lines of a text. One of a lab outside the hour is bad: made-up labs would make a total."""
        labs = self._context.plan.labs
        wrong = f"expected one of: {', '.join(labs)}"
        return [
            BadLine(f"SCORE lab={line.lab}", f"lab is {line.lab!r}, {wrong}")
            if isinstance(line, ScoreLine) and line.lab not in labs
            else line
            for line in scoreline.parse(text)
        ]

    async def _add(self, db: Db, session: Session, person: int, line: ScoreLine, *, failure: str, source: str) -> bool:
        now_s = self._context.now_s()
        return await runs.submit(db, session, person, line, failure=failure, source=source, now_s=now_s)

    def _told(self, session: Session, name: str, line: ScoreLine) -> None:
        if session.frozen_s is None and line.counts:
            told = {"name": name, "lab": line.lab, "score": line.score, "verdict": line.verdict}
            self._context.emit("scores.run", told)


async def _latest(db: Db) -> Session:
    session = await sessions.latest(db)
    if session is None:
        raise Refused(409, "no session has been started; start one on the facilitator's page")
    return session
