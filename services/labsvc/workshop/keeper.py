"""The workshop's heartbeat: once a second it moves tickets and tells board and room, if there is news.

beat ──▶ desk (inbox, silence, line) ──▶ views.room ──▶ workshop.board, facilitator.room
"""

import structlog

from labsvc.rest import Refused
from labsvc.workshop import session as sessions
from labsvc.workshop import tickets, views
from labsvc.workshop.context import Context
from labsvc.workshop.desk import Desk
from labsvc.workshop.doorkeeper import Doorkeeper
from labsvc.workshop.session import Session
from labsvc.workshop.shapes import Room
from labsvc.workshop.store import Db

BEAT_S = 1.0  # also how often the board may change
REFRESH_S = 15.0  # an unchanged board is told again: pages set their clocks by it
METRICS_S = 30.0  # how often figures are written down


class Keeper:
    """One a process. While a second process lives for a moment, both may beat: every step is safe to do twice."""

    def __init__(self, context: Context, desk: Desk, door: Doorkeeper) -> None:
        self._context = context
        self._desk = desk
        self._door = door
        self._told_s = 0.0
        self._told = ""
        self._metrics_s = 0.0

    async def keep(self) -> None:
        """Beat until cancelled, whatever happens to the database."""
        log, forgiven = structlog.get_logger(), False
        while True:
            try:
                if self._context.store.is_ready:
                    forgiven = forgiven or await self.forgive()
                    await self.beat()
            except Refused as error:
                forgiven = False  # nobody could be heard meanwhile
                log.info("beat_missed", why=str(error))
            except Exception:
                log.exception("beat_failed")
            await self._context.clock.sleep(BEAT_S)

    async def beat(self) -> None:
        """One beat."""
        now_s = self._context.now_s()
        async with self._context.store.turn() as db:
            await self._door.read_key(db)
            await self._door.write_seen(db)
            await db.commit()  # who joins again waits for these rows, and the tickets below for what it has locked
            session = await sessions.live(db)
            moved = await self._desk.beat(db, session, now_s=now_s)
        async with self._context.store.turn() as db:  # another turn: looking must not hold up the desk
            shown = session or await sessions.latest(db)
            room = await views.room(db, self._context.plan, shown, now_s=now_s)
            if session and now_s - self._metrics_s >= METRICS_S / session.speed:
                self._metrics_s = now_s
                await self._write_metrics(db, session, room, now_s=now_s)
        self._context.business.hold(session is not None and session.state == "paused")  # also after a restart
        self._desk.tell(moved)
        self._tell(room, now_s=now_s)

    async def forgive(self) -> bool:
        """Start everybody's silence anew: after an interruption of ours nobody could be heard."""
        now_s = self._context.now_s()
        async with self._context.store.turn() as db:
            session = await sessions.live(db)
            if session:
                await tickets.forgive_silence(db, session, now_s=now_s)
        return True

    async def _write_metrics(self, db: Db, session: Session, room: Room, *, now_s: float) -> None:
        board = room.board
        figures = {
            "participants_active": board.people.active,
            "tickets_open": board.tickets.open,
            "tickets_resolved": board.tickets.resolved,
            "orders_generated": self._context.business.orders_generated(),
            "labs_solved": sum(lab.solved for lab in board.labs),
        }
        for metric, value in figures.items():
            await db.execute(
                "INSERT INTO workshop_metrics (session_id, metric, value, at_s) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (session.id, metric, value, now_s),
            )

    def _tell(self, room: Room, *, now_s: float) -> None:
        """Tell board and room when there is news. A clock that runs is none: pages count on by themselves."""
        news = room.model_dump_json(exclude={"board": {"session": {"clock"}}})
        if news == self._told and now_s - self._told_s < REFRESH_S:
            return
        self._told, self._told_s = news, now_s
        whole = room.model_dump(mode="json")
        self._context.emit("workshop.board", whole["board"], state=True)
        self._context.emit("facilitator.room", whole, state=True)
