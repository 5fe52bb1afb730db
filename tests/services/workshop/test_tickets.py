"""Tickets: one holder, a fair line, silence, and laws that hold whatever people do."""

import asyncio
from collections import Counter
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.services.workshop.conftest import LIMIT_S, Made, Make, Server, draft

from labsvc.rest import Refused, Who
from labsvc.workshop.plan import TicketNumbers
from labsvc.workshop.tickets import target


@pytest.mark.parametrize(("people", "wanted"), [(0, 5), (1, 5), (4, 5), (5, 6), (12, 15), (80, 96), (300, 360)])
def test_queue_grows_with_active_people(people: int, wanted: int) -> None:
    """max(5, 1.2 × active people), rounded up."""
    numbers = TicketNumbers(active_min=5, active_per_person=1.2, silence_s=300, wait_s=120)
    assert wanted == target(people, numbers)


def test_most_urgent_and_oldest_comes_first(made: Made) -> None:
    """Priority before age."""
    made.start()
    for number, priority in enumerate(("low", "high", "critical", "high")):
        made.open_tickets(1, first=number, priority=priority)
    who = [made.join(f"p{n}")[0] for n in range(4)]
    keys = [made.run(made.workshop.desk.ask(w)).ticket.subject.rsplit(" ", 1)[1] for w in who]
    assert keys == ["T-2", "T-1", "T-3", "T-0"]


def test_asking_twice_keeps_the_same_ticket(made: Made) -> None:
    """One ticket a person at a time."""
    made.start()
    made.open_tickets(2)
    alice, _ = made.join("Alice")
    first = made.run(made.workshop.desk.ask(alice)).ticket
    again = made.run(made.workshop.desk.ask(alice)).ticket
    assert first.id == again.id
    board = made.run(made.workshop.analytics.room()).board
    assert (board.tickets.held, board.tickets.open) == (1, 1)


def test_line_is_fair(made: Made) -> None:
    """Who had fewer tickets is served first, then who waits longer; each is told its place."""
    made.start()
    alice, _ = made.join("Alice")
    made.open_tickets(1)
    done = made.run(made.workshop.desk.ask(alice)).ticket
    made.run(made.workshop.desk.close(alice, done.id, "resolved", "sent a new one"))
    bob, carol = made.join("Bob")[0], made.join("Carol")[0]
    assert made.run(made.workshop.desk.ask(alice)).ahead == 0
    made.clock.t_s += 1
    assert made.run(made.workshop.desk.ask(bob)).ahead == 0
    made.clock.t_s += 1
    assert made.run(made.workshop.desk.ask(carol)).ahead == 1
    assert made.run(made.workshop.desk.mine(alice)).ahead == 2
    made.open_tickets(2, first=10)
    holders = {p.name for p in made.run(made.workshop.analytics.room()).people if p.holds}
    assert holders == {"Bob", "Carol"}
    assert [d["participant_id"] for s, d in made.emitted if s == "tickets.held"] == [alice.id, bob.id, carol.id]


def test_ticket_can_be_ended_by_its_holder_only(made: Made) -> None:
    """Others are refused; the same ending twice is the same; another ending afterwards is refused."""
    made.start()
    made.open_tickets(1)
    alice, bob = made.join("Alice")[0], made.join("Bob")[0]
    ticket = made.run(made.workshop.desk.ask(alice)).ticket
    with pytest.raises(Refused, match="not in your hands"):
        made.run(made.workshop.desk.close(bob, ticket.id, "resolved", ""))
    for _ in range(2):
        assert made.run(made.workshop.desk.close(alice, ticket.id, "escalated", "crane")).state == "escalated"
    with pytest.raises(Refused, match="it is escalated"):
        made.run(made.workshop.desk.close(alice, ticket.id, "resolved", ""))
    assert made.business.told == [("escalated", "T-0")]
    with pytest.raises(Refused) as refused:
        made.run(made.workshop.desk.close(alice, 10**12, "resolved", ""))
    assert refused.value.status == 404


def test_silent_holder_gives_the_ticket_back(made: Made) -> None:
    """After the silence somebody else gets it, the old holder can no longer end it."""
    made.start()
    made.open_tickets(1)
    alice, bob = made.join("Alice")[0], made.join("Bob")[0]
    ticket = made.run(made.workshop.desk.ask(alice)).ticket
    made.clock.t_s += 200
    made.run(made.workshop.desk.mine(alice))
    made.run(made.workshop.desk.ask(bob))
    made.clock.t_s += 299
    made.run(made.workshop.door.who(made.join("Bob2")[1].token, "a"))
    made.beat()
    assert made.run(made.workshop.desk.mine(alice)).ticket.id == ticket.id
    made.clock.t_s += 301
    made.run(made.workshop.desk.ask(made.join("Carol")[0]))
    made.beat()
    assert made.run(made.workshop.desk.mine(alice)).ticket is None
    assert "tickets.returned" in made.streams()
    with pytest.raises(Refused, match="not in your hands"):
        made.run(made.workshop.desk.close(alice, ticket.id, "resolved", "late"))


def test_silence_stands_still_in_a_pause_and_starts_anew_after_a_restart(make: Make) -> None:
    """Nobody loses a ticket because of a pause or an interruption of ours."""
    made = make()
    made.start()
    made.open_tickets(1)
    alice, _ = made.join("Alice")
    ticket = made.run(made.workshop.desk.ask(alice)).ticket
    made.run(made.workshop.hour.pause(True))
    made.clock.t_s += 1000
    made.beat()
    made.run(made.workshop.hour.pause(False))
    made.beat()
    assert made.run(made.workshop.analytics.room()).board.tickets.held == 1
    made.clock.t_s += 1000
    again = make()
    again.run(again.workshop.keeper.forgive())
    again.beat()
    assert again.run(again.workshop.desk.mine(alice)).ticket.id == ticket.id


def test_session_that_does_not_run_hands_nothing_out(made: Made) -> None:
    """While the session stands, and when it is over, asking says why."""
    made.start()
    made.open_tickets(1)
    alice, _ = made.join("Alice")
    made.run(made.workshop.hour.pause(True))
    with pytest.raises(Refused, match="the session is paused"):
        made.run(made.workshop.desk.ask(alice))
    made.run(made.workshop.hour.stop())
    with pytest.raises(Refused, match="the session is ended"):
        made.run(made.workshop.desk.ask(alice))


def test_business_learns_how_many_are_lacking(made: Made) -> None:
    """Drafts on their way count; without a session nothing is wanted and nothing is taken."""
    assert (made.workshop.desk.lacking(), made.workshop.desk.take_in(draft("x"))) == (0, False)
    made.start()
    made.beat()
    assert made.workshop.desk.lacking() == 5
    assert made.workshop.desk.take_in(draft("a"))
    assert made.workshop.desk.lacking() == 4
    made.beat()
    assert made.workshop.desk.lacking() == 4
    for number in range(10):
        made.join(f"p{number}")
    made.beat()
    assert made.workshop.desk.lacking() == 11


def test_same_draft_twice_is_one_ticket(made: Made) -> None:
    """A restored world may open its tickets again."""
    made.start()
    made.open_tickets(3)
    made.open_tickets(3)
    assert made.run(made.workshop.analytics.room()).board.tickets.opened == 3


def test_closed_ticket_that_is_opened_again_is_told_again(made: Made) -> None:
    """A business that was killed before it could keep what became of its ticket learns it from the queue."""
    made.start()
    made.open_tickets(2)
    alice = made.join("Alice")[0]
    ticket = made.run(made.workshop.desk.ask(alice)).ticket
    made.run(made.workshop.desk.close(alice, ticket.id, "resolved", ""))
    made.business.told.clear()
    made.open_tickets(2)
    assert made.business.told == [("resolved", "T-0")]


def test_business_learns_who_is_there(made: Made) -> None:
    """Unknown before the first beat, None without a session, a number with one."""
    assert not made.workshop.desk.is_known
    made.beat()
    assert (made.workshop.desk.is_known, made.workshop.desk.active()) == (True, None)
    made.start()
    made.join("Alice")
    made.beat()
    assert made.workshop.desk.active() == 1
    made.run(made.workshop.hour.pause(True))
    made.beat()
    assert made.workshop.desk.active() == 1
    made.run(made.workshop.hour.stop())
    made.beat()
    assert made.workshop.desk.active() is None


def test_hundred_people_at_once_get_different_tickets(made: Made) -> None:
    """However they ask at the same moment: each ticket has one holder, and everybody who can have one has one."""
    made.start()
    made.open_tickets(60)
    people = [made.join(f"p{n}")[0] for n in range(80)]

    async def rush() -> list[Any]:
        return await asyncio.gather(*(made.workshop.desk.ask(who) for who in people for _ in range(2)))

    made.run(rush())
    mine = [made.run(made.workshop.desk.mine(who)) for who in people]
    held = [told.ticket.id for told in mine if told.ticket]
    assert len(held) == len(set(held)) == 60
    assert sorted(told.ahead for told in mine if told.ahead is not None) == list(range(20))


def test_beat_that_waits_for_the_session_holds_nobody(made: Made, postgres: Server) -> None:
    """Whoever holds the session may want somebody who was heard before the new tickets came."""
    made.start()
    made.beat()
    alice, _ = made.join("Alice")
    assert made.workshop.desk.take_in(draft("T-0"))

    async def story() -> None:
        async with await psycopg.AsyncConnection.connect(postgres.url) as other:
            await other.execute("SELECT 1 FROM workshop_sessions FOR UPDATE")
            beat = asyncio.create_task(made.workshop.keeper.beat())
            await somebody_waits(postgres.url)
            await other.execute("UPDATE workshop_people SET seen_s = seen_s WHERE id = %s", (alice.id,))
            await other.commit()
            await beat

    made.run(story())
    assert made.run(made.workshop.analytics.room()).board.tickets.opened == 1


async def somebody_waits(url: str) -> None:
    """Return when a session of the database waits for a lock."""
    asked = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as looking, asyncio.timeout(LIMIT_S):
        while await (await looking.execute(asked)).fetchone() is None:
            pass


STEP = st.tuples(
    st.sampled_from(["open", "ask", "resolve", "escalate", "return", "leave", "silence", "pause", "resume", "restart"]),
    st.integers(0, 4),
)


@settings(max_examples=25)
@given(st.lists(STEP, min_size=5, max_size=40))
def test_books_balance_whatever_people_do(make: Make, postgres: Any, steps: list[tuple[str, int]]) -> None:
    """Laws: opened = open + held + resolved + escalated; one holder a ticket, one ticket a holder; nobody waits while
    a ticket is open; every handled ticket was in the hands of who handled it."""
    postgres.wipe()
    made = make()
    made.start()
    people = [made.join(f"p{n}")[0] for n in range(5)]
    opened, handled, paused = 0, Counter[int](), False
    for step, number in steps:
        made.clock.t_s += 1
        if step == "open" and not paused:
            made.open_tickets(number, first=opened)
            opened += number
        elif step == "restart":
            made = _restarted(make)
        elif step == "silence":
            made.clock.t_s += 0 if paused else 301
            made.beat()
        elif step in ("pause", "resume"):
            paused = step == "pause"
            made.run(made.workshop.hour.pause(paused))
        else:
            handled[people[number].id or 0] += _act(made, people[number], step)
        _check_books(made, people, opened=opened, handled=handled)


def _restarted(make: Make) -> Made:
    made = make()
    made.run(made.workshop.keeper.forgive())
    made.beat()
    return made


def _act(made: Made, who: Who, step: str) -> int:
    """Do one thing; 1 when it has handled a ticket."""
    mine = made.run(made.workshop.desk.mine(who))
    try:
        if step == "ask":
            made.run(made.workshop.desk.ask(who))
        elif step == "leave":
            made.run(made.workshop.desk.leave(who))
        elif mine.ticket and step == "return":
            made.run(made.workshop.desk.give_back(who, mine.ticket.id))
        elif mine.ticket:
            made.run(made.workshop.desk.close(who, mine.ticket.id, f"{step}d", "done"))  # type: ignore[arg-type]
            return 1
    except Refused as error:
        if error.status != 409:  # the session is paused
            raise
    return 0


def _check_books(made: Made, people: list[Who], *, opened: int, handled: Counter[int]) -> None:
    export = made.run(made.workshop.analytics.export(None))
    books = export.tickets
    assert books.opened == opened == books.open + books.held + books.resolved + books.escalated
    assert {k: n for k, n in handled.items() if n} == export.handled
    room = made.run(made.workshop.analytics.room())
    held = [person.holds for person in room.people if person.holds]
    assert len(held) == len(set(held)) == books.held
    assert room.board.session is not None
    if room.board.session.state == "running":
        assert not (books.open and books.waiting)
    assert not any(person.holds and person.waits for person in room.people)
