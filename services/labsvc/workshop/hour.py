"""The session as the facilitator steers it: start, pause, freeze, segments, scenarios, stop."""

from collections.abc import Awaitable, Callable

from labsvc.errors import Misuse
from labsvc.rest import Refused
from labsvc.workshop import people, views
from labsvc.workshop import session as sessions
from labsvc.workshop.context import Context
from labsvc.workshop.session import Session
from labsvc.workshop.shapes import Metrics, SessionShape
from labsvc.workshop.store import Db

Change = Callable[[Db, Session, float], Awaitable[Session]]


class Hour:
    """Every method is one transaction, then the news of it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def start(self, *, name: str, expected: int, speed: float) -> SessionShape:
        """A new session. Raises Refused (409) while another one lives."""
        now_s = self._context.now_s()
        async with self._context.store.turn() as db:
            session = await sessions.start(db, name=name, expected=expected, speed=speed, now_s=now_s)
        return self._told(session, now_s)

    async def stop(self) -> SessionShape:
        """End it for good."""
        return await self._steer(lambda db, session, now_s: sessions.stop(db, session, now_s=now_s))

    async def pause(self, on: bool) -> SessionShape:
        """Stop the hour and the business, or let both go on."""
        change = sessions.pause if on else sessions.resume
        told = await self._steer(lambda db, session, now_s: change(db, session, now_s=now_s))
        self._context.business.hold(on)
        return told

    async def freeze(self, on: bool) -> SessionShape:
        """Let the board stand still, or move again."""
        return await self._steer(lambda db, session, now_s: sessions.freeze(db, session, on=on, now_s=now_s))

    async def go_to(self, segment: int | None) -> SessionShape:
        """Begin a segment; without a number the next one. Raises Refused (422) beyond the plan."""
        segments = self._context.plan.segments

        async def change(db: Db, session: Session, now_s: float) -> Session:
            target = session.segment + 1 if segment is None else segment
            if target >= len(segments):
                raise Refused(422, f"segment {target}, expected 0 to {len(segments) - 1}")
            return await sessions.go_to(db, session, target, title=segments[target].title, now_s=now_s)

        return await self._steer(change)

    async def scenario(self, name: str) -> str:
        """Trigger a world scenario and write it down; its status. Raises Refused (409)."""
        async with self._context.store.turn() as db:
            session = await sessions.live(db)
            try:
                status = self._context.business.trigger(name)
            except Misuse as error:
                raise Refused(409, str(error)) from error
            if session is not None:
                await sessions.note(db, session, "scenario", name, now_s=self._context.now_s())
        return status

    async def runs(self) -> bool:
        """Whether a session lives; False too while the database is away."""
        try:
            async with self._context.store.turn() as db:
                return await sessions.live(db) is not None
        except Refused:
            return False

    async def status(self) -> Metrics:
        """The source's WorkshopMetrics of the session that runs or ran last."""
        context, now_s = self._context, self._context.now_s()
        orders = context.business.orders_generated()
        async with context.store.turn() as db:
            session = await sessions.latest(db)
            if session is None:
                return Metrics(
                    session=None,
                    active_participants=0,
                    orders_generated=orders,
                    tickets=views.NO_TICKETS,
                    average_response_s=None,
                    scenario_distribution={},
                )
            active = await people.active_count(db, session, active_s=context.plan.active_s, now_s=now_s)
            return Metrics(
                session=views.session_shape(session, context.plan, now_s=now_s),
                active_participants=active,
                orders_generated=orders,
                tickets=await views.ticket_counts(db, session),
                average_response_s=await views.average_response_s(db, session),
                scenario_distribution=await views.scenario_distribution(db, session),
            )

    async def _steer(self, change: Change) -> SessionShape:
        now_s = self._context.now_s()
        async with self._context.store.turn() as db:
            session = await change(db, await sessions.needed(db, locked=True), now_s)
        return self._told(session, now_s)

    def _told(self, session: Session, now_s: float) -> SessionShape:
        shape = views.session_shape(session, self._context.plan, now_s=now_s)
        self._context.emit("workshop.session", shape.model_dump(mode="json"), state=True)
        return shape
