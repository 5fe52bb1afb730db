"""Joining: codes, tokens, names, limits; and the facilitator's token."""

import asyncio

import psycopg
import pytest
from tests.services.workshop.conftest import LIMIT_S, Made, Server

from labsvc.rest import Refused
from labsvc.workshop.keys import new_token
from labsvc.workshop.limits import Limit
from labsvc.workshop.people import Wish


def test_join_gives_a_token_that_is_known(made: Made) -> None:
    """The code in any case lets somebody in; the token says who it is."""
    code = made.start().code
    who, joined = made.join("Alice", code=code.lower())
    assert (who.role, who.id, who.name) == ("participant", joined.participant_id, "Alice")
    assert made.streams("people.") == ["people.joined"]


def test_join_twice_with_the_same_token_is_one_participant(made: Made) -> None:
    """A lost answer costs nothing: the same token is the same person."""
    made.start()
    token = new_token()
    first, second = made.join("Alice", token=token)[1], made.join("Alice", token=token)[1]
    assert first.participant_id == second.participant_id
    assert second.name == "Alice"
    assert len(made.streams("people.")) == 1


def test_same_name_gets_a_number(made: Made) -> None:
    """Two people of one name stay apart; upper case makes no new name."""
    made.start()
    names = [made.join(name)[1].name for name in ("Ann Lee", "ann lee", "ANN LEE")]
    assert names == ["Ann Lee", "ann lee 2", "ANN LEE 3"]


def test_names_are_taken_beside_somebody_who_asks_for_a_ticket(made: Made, postgres: Server) -> None:
    """Who stands in line refers to the session; who joins or is renamed changes nothing of what is referred to."""
    made.start()
    alice, bob = made.join("Alice")[0], made.join("Bob")[1]

    async def story() -> None:
        async with await psycopg.AsyncConnection.connect(postgres.url) as asking, asyncio.timeout(LIMIT_S):
            line = "INSERT INTO workshop_waiting (person_id, session_id, since_s) VALUES (%s, %s, 0)"
            await asking.execute(line, (alice.id, alice.session))
            await made.workshop.hall.rename(bob.participant_id, "Bea")

    made.run(story())
    assert made.join("Carol")[1].name == "Carol"


def test_another_name_is_used_for_everything_from_then_on(made: Made) -> None:
    """The board shows a name to the whole room, so the facilitator can change it; its owner notices nothing else."""
    made.start()
    joined = made.join("rude word")[1]
    made.join("Ann")
    renamed = made.run(made.workshop.hall.rename(joined.participant_id, "ann"))
    assert (renamed.participant_id, renamed.name) == (joined.participant_id, "ann 2")
    assert made.run(made.workshop.door.who(joined.token, "10.0.0.1")).name == "ann 2"
    assert made.join("rude word", token=joined.token)[1].name == "ann 2"
    assert [person.name for person in made.run(made.workshop.analytics.room()).people] == ["ann 2", "Ann"]
    assert made.run(made.workshop.hall.rename(joined.participant_id, "ANN 2")).name == "ANN 2"
    assert made.join("ann 2")[1].name == "ann 2 2"
    with pytest.raises(Refused, match="no participant 999") as refused:
        made.run(made.workshop.hall.rename(999, "Bob"))
    assert refused.value.status == 404


def test_a_name_that_is_taken_in_the_same_moment_is_refused(made: Made) -> None:
    """Score lines are pasted while somebody is given the name they say: no crash, and the second try gets a number."""
    made.start()
    made.join("Ann")
    person = made.join("Bob")[1].participant_id

    async def rename() -> None:
        async with made.workshop.context.store.turn() as db:
            await db.execute("UPDATE workshop_people SET name_key = 'ann' WHERE id = %s", (person,))

    with pytest.raises(Refused, match="try again") as refused:
        made.run(rename())
    assert refused.value.status == 409


def test_wrong_code_is_refused_and_limited(made: Made) -> None:
    """Guessing codes ends in 429 for that address only."""
    made.start()
    for _ in range(made.workshop.context.plan.joining.wrong_codes_per_minute):
        with pytest.raises(Refused, match="no session has the code") as refused:
            made.join("Eve", code="WRONG1")
        assert refused.value.status == 404
    with pytest.raises(Refused) as refused:
        made.join("Eve", code="WRONG1")
    assert refused.value.status == 429
    assert refused.value.retry_after_s
    code = made.run(made.workshop.hour.status()).session.code
    assert made.run(made.workshop.hall.join(code, Wish("Bob", "", "", ""), "10.0.0.2")).name == "Bob"
    made.clock.t_s += 61
    assert made.join("Eve")[1].name == "Eve"


def test_nobody_is_told_to_wait_for_nothing() -> None:
    """A wait of a tenth of a second is told as a second, as `retry-after` says."""
    limit = Limit("joins", 600, lambda: 0.0)
    for _ in range(600):
        limit.spend("10.0.0.1")
    with pytest.raises(Refused, match=r"wait 1 s$"):
        limit.check("10.0.0.1")


def test_unknown_token_is_refused_and_limited(made: Made) -> None:
    """Guessing tokens ends in 429; a known token of the same address still works."""
    made.start()
    _, joined = made.join("Alice")
    statuses = set()
    for _ in range(made.workshop.context.plan.joining.wrong_tokens_per_minute + 2):
        with pytest.raises(Refused) as refused:
            made.run(made.workshop.door.who(new_token(), "10.0.0.1"))
        statuses.add(refused.value.status)
    assert statuses == {401, 429}
    assert made.run(made.workshop.door.who(joined.token, "10.0.0.1")).name == "Alice"


def test_facilitator_is_claimed_once(made: Made) -> None:
    """The first token wins, claiming it again is fine, another one is refused."""
    token = new_token()
    assert made.run(made.workshop.door.claim(token)).is_facilitator
    assert made.run(made.workshop.door.claim(token)).is_facilitator
    with pytest.raises(Refused, match="another facilitator"):
        made.run(made.workshop.door.claim(new_token()))
    assert made.run(made.workshop.door.who(token, "a")).role == "facilitator"
    assert made.workshop.door.is_facilitator(token)
    assert not made.workshop.door.is_facilitator(new_token())


def test_tokens_are_not_stored(made: Made) -> None:
    """The database holds hashes only."""
    made.start()
    facilitator, mine = new_token(), new_token()
    made.run(made.workshop.door.claim(facilitator))
    made.join("Alice", token=mine)

    async def everything() -> str:
        async with made.workshop.context.store.turn() as db:
            people = await (await db.execute("SELECT * FROM workshop_people")).fetchall()
            keys = await (await db.execute("SELECT * FROM workshop_keys")).fetchall()
        return f"{people}{keys}"

    stored = made.run(everything())
    assert "Alice" in stored
    assert facilitator not in stored
    assert mine not in stored


def test_ended_session_lets_nobody_in(made: Made) -> None:
    """Who joins too late is told so; who is in stays known."""
    made.start()
    code = made.run(made.workshop.hour.status()).session.code
    _, joined = made.join("Alice")
    made.run(made.workshop.hour.stop())
    with pytest.raises(Refused, match="has ended"):
        made.join("Bob", code=code)
    assert made.run(made.workshop.door.who(joined.token, "a")).name == "Alice"


def test_ready_code_counts_as_ready(made: Made) -> None:
    """The facilitator sees who is ready, from joining or from later."""
    made.start()
    alice, _ = made.join("Alice")
    made.join("Bob")
    made.run(made.workshop.hall.ready(alice, "R7-42"))
    people = made.run(made.workshop.analytics.room()).board.people
    assert (people.joined, people.active, people.ready) == (2, 2, 1)
    made.clock.t_s += 301
    assert made.run(made.workshop.analytics.room()).board.people.active == 0
