"""The ticket desk: what participants do with tickets, and the tickets that the business brings.

    world ──take_in──▶ inbox ──store_inbox──▶ queue ──ask──▶ a participant ──close | give_back──▶

A ticket stays in the inbox until it is stored; storing it twice is harmless.
"""

from collections import deque
from collections.abc import Sequence

from labsvc.rest import Who
from labsvc.workshop import people, tickets
from labsvc.workshop.context import Context, person_id, session_of
from labsvc.workshop.session import Session
from labsvc.workshop.shapes import Done, MyTicket, TicketShape
from labsvc.workshop.store import Db
from labsvc.workshop.tickets import Ending, Moved, Ticket
from labsvc.worlds import TicketDraft

INBOX_LIMIT = 10_000


class Desk:
    """Every method is one transaction, then the news of it. All may be asked twice."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._inbox: deque[TicketDraft] = deque()
        self._lacking = 0
        self._active: int | None = None
        self._is_open = False
        self._has_beaten = False

    # ------------------------------------------------------------------ for the business

    def lacking(self) -> int:
        """How many tickets the queue lacks, as of the last beat; those in the inbox do not count as lacking."""
        return max(0, self._lacking - len(self._inbox))

    @property
    def is_known(self) -> bool:
        """Whether it is known if a session lives; without a database none ever does."""
        return self._has_beaten or not self._context.store.exists

    def active(self) -> int | None:
        """How many participants are active, as of the last beat; None while no session lives."""
        return self._active

    def take_in(self, draft: TicketDraft) -> bool:
        """Accept a ticket of the business. False while no session runs."""
        if not self._is_open or len(self._inbox) >= INBOX_LIMIT:
            return False
        self._inbox.append(draft)
        return True

    # ------------------------------------------------------------------ for participants

    async def ask(self, who: Who) -> MyTicket:
        """Hand this participant a ticket, or a place in the line. Raises Refused (409) while the session stands."""
        now_s, person = self._context.now_s(), person_id(who)
        async with self._context.store.turn() as db:
            session = await session_of(db, who)
            await tickets.lock(db, session)
            await tickets.wait(db, session, person, now_s=now_s)
            moved = await tickets.hand_out(db, session, now_s=now_s)
            told = await self._mine(db, session, person, now_s=now_s)
        self.tell(moved)
        return told

    async def mine(self, who: Who) -> MyTicket:
        """What this participant holds; asking is a sign of life."""
        now_s, person = self._context.now_s(), person_id(who)
        async with self._context.store.turn() as db:
            return await self._mine(db, await session_of(db, who), person, now_s=now_s)

    async def close(self, who: Who, ticket_id: int, how: Ending, answer: str) -> Done:
        """End a ticket. Raises Refused: 404 for none, 409 for one that is not in these hands."""
        now_s = self._context.now_s()
        async with self._context.store.turn() as db:
            session = await session_of(db, who)
            moved = await tickets.close(db, session, ticket_id, person_id(who), how=how, answer=answer, now_s=now_s)
        if moved is not None:
            self.tell([moved])
            self._context.business.ticket_closed(moved.ticket.key, how)
        return Done(ticket=ticket_id, state=how)

    async def give_back(self, who: Who, ticket_id: int) -> Done:
        """Put a ticket back. Raises Refused (404)."""
        now_s = self._context.now_s()
        async with self._context.store.turn() as db:
            session = await session_of(db, who)
            await tickets.lock(db, session)
            moved = await tickets.give_back(db, session, ticket_id, person_id(who), now_s=now_s)
            handed = await tickets.hand_out(db, session, now_s=now_s)
        self.tell([*([moved] if moved else []), *handed])
        return Done(ticket=ticket_id, state="open")

    async def leave(self, who: Who) -> MyTicket:
        """Leave the line."""
        now_s, person = self._context.now_s(), person_id(who)
        async with self._context.store.turn() as db:
            session = await session_of(db, who)
            await tickets.leave(db, person)
            return await self._mine(db, session, person, now_s=now_s)

    # ------------------------------------------------------------------ for the keeper

    async def beat(self, db: Db, session: Session | None, *, now_s: float) -> list[Moved]:
        """Store the inbox, give silent tickets back, hand out, count what is lacking."""
        self._is_open = session is not None
        self._lacking = 0
        if session is None:
            self._inbox.clear()
            self._active = None
            self._has_beaten = True
            return []
        self._active = await people.active_count(db, session, active_s=self._context.plan.active_s, now_s=now_s)
        self._has_beaten = True
        moved = await self._store_inbox(db, session, now_s=now_s)
        await tickets.lock(db, session)
        moved += await tickets.give_back_silent(db, session, self._context.plan.tickets, now_s=now_s)
        moved += await tickets.hand_out(db, session, now_s=now_s)
        if session.state == "running":
            counts = await tickets.counts(db, session)
            wanted = tickets.target(self._active, self._context.plan.tickets)
            self._lacking = max(0, wanted - counts.open - counts.held)
        return moved

    def tell(self, moved: Sequence[Moved]) -> None:
        """Tell the hub what happened to tickets."""
        for each in moved:
            told = {
                "ticket": each.ticket.id,
                "subject": each.ticket.subject,
                "priority": each.ticket.priority,
                "participant_id": each.person_id,
            }
            self._context.emit(f"tickets.{each.what}", told)

    async def _store_inbox(self, db: Db, session: Session, *, now_s: float) -> list[Moved]:
        taken = list(self._inbox)
        moved, closed = [], []
        for draft in taken:
            if opened := await tickets.open_ticket(db, session, draft, now_s=now_s):
                moved.append(opened)
            elif how := await tickets.ending(db, session, draft.key):
                closed.append((draft.key, how))
        await db.commit()  # only what is stored leaves the inbox
        for _ in taken:
            self._inbox.popleft()
        for key, how in closed:  # the business was killed before it could keep that
            self._context.business.ticket_closed(key, how)
        return moved

    async def _mine(self, db: Db, session: Session, person: int, *, now_s: float) -> MyTicket:
        held = await tickets.heard(db, session, person, now_s=now_s)
        ahead, handled = await tickets.standing(db, session, person)
        return MyTicket(
            ticket=_shape(held, session, now_s=now_s) if held else None,
            ahead=ahead,
            handled=handled,
        )


def _shape(ticket: Ticket, session: Session, *, now_s: float) -> TicketShape:
    shown = {name: getattr(ticket, name) for name in TicketShape.model_fields if name != "held_for_s"}
    return TicketShape(**shown, held_for_s=max(0.0, session.at_clock_s(now_s) - (ticket.held_clock_s or 0.0)))
