"""Runs: counted once, ranked fairly, frozen boards, pasted lines, and who is stuck."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services.workshop.conftest import Made, Make

from labsvc.rest import Refused, Who
from labsvc.workshop.runs import Run, StuckRule, standings, stuck


def line(
    lab: str = "timeouts",
    *,
    score: int = 50,
    run: str = "r1",
    by: str = "alice",
    verdict: str = "VALID",
    scale: str = "",
) -> str:
    """A score line as the driver prints it."""
    text = f"SCORE lab={lab} score={score} p95_ms=412 ok=0.992 verdict={verdict} by={by} run={run}"
    text += f" scale={scale}" if scale else ""
    return f"{text} check={hashlib.sha256(text.encode()).hexdigest()[:4]}"


def test_run_counts_once_however_often_it_is_sent(made: Made) -> None:
    """Sent twice and pasted as well: one run."""
    made.start()
    alice, _ = made.join("Alice")
    first = made.run(made.workshop.hall.submit(alice, line(score=80), "deadline"))
    again = made.run(made.workshop.hall.submit(alice, line(score=80), "deadline"))
    assert (first.is_new, first.best, first.rank) == (True, 80, 1)
    assert (again.is_new, again.best, again.rank) == (False, 80, 1)
    pasted = made.run(made.workshop.hall.paste(alice, line(score=80)))
    assert (pasted.added, pasted.known) == (0, 1)
    assert len(made.run(made.workshop.analytics.export(None)).runs) == 1
    assert made.streams("scores.") == ["scores.run"]


def test_pasted_line_finds_its_participant(made: Made) -> None:
    """By the name on the line, by the name of earlier lines, or as somebody new who may join in person later."""
    made.start()
    alice, _ = made.join("Alice")
    made.run(made.workshop.hall.submit(alice, line(by="login7", run="r1"), ""))
    facilitator = made.workshop.hall.paste
    text = "\n".join([line(by="login7", run="r2"), line(by="ALICE", run="r3"), line(by="Zoe", run="r4"), "SCORE lab=x"])
    told = made.run(facilitator(Who("facilitator"), text))
    assert (told.added, told.known, len(told.problems)) == (3, 0, 1)
    owners = {run.run: run.participant for run in made.run(made.workshop.analytics.export(None)).runs}
    assert owners == {"r1": "Alice", "r2": "Alice", "r3": "Alice", "r4": "Zoe"}
    zoe, _ = made.join("Zoe")
    assert made.run(made.workshop.hall.submit(zoe, line(by="Zoe", run="r4"), "")).is_new is False


def test_somebody_elses_run_is_not_mine(made: Made) -> None:
    """Who pastes the whole chat as a participant gets what nobody has sent; the owner's own runs stay the owner's."""
    made.start()
    alice, _ = made.join("Alice")
    bob, _ = made.join("Bob")
    made.run(made.workshop.hall.submit(alice, line(by="Alice", score=95), ""))
    told = made.run(made.workshop.hall.paste(bob, line(by="Alice", score=95) + "\n" + line(by="login7", score=20)))
    assert (told.added, told.known) == (1, 0)
    assert told.problems == ["timeouts r1 by Alice: somebody else's run"]
    assert [
        leader.total for leader in made.run(made.workshop.analytics.leaderboard(None, through_ice=True)).participants
    ] == [95, 20]


def test_lab_that_is_not_of_this_hour_counts_nowhere(made: Made) -> None:
    """Otherwise every made-up lab would be another hundred points."""
    made.start()
    alice, _ = made.join("Alice")
    with pytest.raises(Refused, match="lab is 'easy', expected one of: timeouts"):
        made.run(made.workshop.hall.submit(alice, line("easy", score=100), ""))
    told = made.run(made.workshop.hall.paste(Who("facilitator"), line("easy", score=100)))
    assert (told.added, len(told.problems)) == (0, 1)


def test_broken_line_is_refused_in_one_line(made: Made) -> None:
    """A wrong check, or no line at all."""
    made.start()
    alice, _ = made.join("Alice")
    for text in (line().replace("score=50", "score=95"), "hello", line() + "\n" + line(run="r2")):
        with pytest.raises(Refused, match="line: ") as refused:
            made.run(made.workshop.hall.submit(alice, text, ""))
        assert refused.value.status == 422
        assert "\n" not in str(refused.value)


def test_board_ranks_best_valid_scores(made: Made) -> None:
    """The sum of the best valid scores; the first to reach it wins a tie; INVALID and short runs count nowhere."""
    made.start()
    alice, bob, carol = (made.join(name)[0] for name in ("Alice", "Bob", "Carol"))
    for who, lab, score, verdict in (
        (bob, "timeouts", 90, "VALID"),
        (alice, "timeouts", 40, "VALID"),
        (alice, "timeouts", 95, "VALID"),
        (alice, "tx", 85, "VALID"),
        (bob, "tx", 90, "VALID"),
        (carol, "timeouts", 100, "INVALID"),
        (carol, "timeouts", 99, "SHORT"),
        (bob, "tx", 30, "VALID"),
    ):
        made.clock.t_s += 1
        run = f"r{made.clock.t_s:.0f}"
        scale = "0.25" if verdict == "SHORT" else ""
        text = line(lab, score=score, run=run, verdict=verdict.replace("SHORT", "VALID"), scale=scale)
        made.run(made.workshop.hall.submit(who, text, ""))
    board = made.run(made.workshop.analytics.room()).board
    assert [(leader.rank, leader.name, leader.total) for leader in board.leaders] == [
        (1, "Alice", 180),
        (2, "Bob", 180),
    ]
    assert board.leaders[0].best == {"timeouts": 95, "tx": 85}
    labs = {lab.lab: lab for lab in board.labs}
    assert (labs["timeouts"].tried, labs["timeouts"].solved, labs["tx"].solved, labs["tx"].best) == (3, 2, 1, 90)


def test_frozen_board_stands_still_for_everybody_but_the_facilitator(made: Made) -> None:
    """Runs are taken while the board is frozen, and show when it thaws."""
    made.start()
    alice, bob = made.join("Alice")[0], made.join("Bob")[0]
    made.run(made.workshop.hall.submit(alice, line(score=60), ""))
    made.clock.t_s += 1
    made.run(made.workshop.hour.freeze(True))
    made.clock.t_s += 1
    hidden = made.run(made.workshop.hall.submit(bob, line(score=99, run="r9"), ""))
    assert (hidden.is_new, hidden.rank) == (True, None)
    assert made.streams("scores.") == ["scores.run"]
    room = made.run(made.workshop.analytics.room())
    assert [leader.name for leader in room.board.leaders] == ["Alice"]
    assert {person.name: person.total for person in room.people} == {"Alice": 60, "Bob": 99}
    whole = made.run(made.workshop.analytics.leaderboard(None, through_ice=True))
    assert [leader.name for leader in whole.participants] == ["Bob", "Alice"]
    made.run(made.workshop.hour.freeze(False))
    assert [leader.name for leader in made.run(made.workshop.analytics.room()).board.leaders] == ["Bob", "Alice"]


def test_analytics_tell_the_hour(made: Made) -> None:
    """Summary and progress as the source asks for them."""
    made.start()
    alice, bob = made.join("Alice")[0], made.join("Bob")[0]
    made.run(made.workshop.hour.go_to(1))
    made.open_tickets(1, order_number="BW-7")
    ticket = made.run(made.workshop.desk.ask(alice)).ticket
    made.run(made.workshop.desk.close(alice, ticket.id, "resolved", ""))
    made.clock.t_s += 120
    made.run(made.workshop.hall.submit(alice, line(score=95), ""))
    made.run(made.workshop.hall.submit(bob, line(score=20, run="r2", verdict="INVALID"), "starved"))
    summary = made.run(made.workshop.analytics.summary(None))
    assert (summary.total_participants, summary.completed_challenges) == (2, 1)
    assert summary.technology_distribution == {"local": 2}
    assert (summary.success_metrics.runs, summary.success_metrics.valid_runs) == (2, 1)
    assert summary.success_metrics.median_solved_after_s == {"timeouts": 120}
    progress = {p.name: p for p in made.run(made.workshop.analytics.progress(None)).participants}
    assert (progress["Alice"].challenge_level, progress["Alice"].tickets_handled) == ("timeouts", 1)
    assert (progress["Alice"].orders_processed, progress["Bob"].challenge_level) == (1, "")


def test_scores_survive_a_restart(make: Make) -> None:
    """Another process shows the same board."""
    made = make()
    made.start()
    alice, joined = made.join("Alice")
    made.run(made.workshop.hall.submit(alice, line(score=77), ""))
    again = make()
    assert again.run(again.workshop.analytics.room()).board.leaders[0].total == 77
    assert again.run(again.workshop.door.who(joined.token, "a")).name == "Alice"


RULE = StuckRule(after_s=360, same_failures=3, solved_score=90)


def ran(clock_s: float, *, score: int = 30, verdict: str = "VALID", failure: str = "") -> Run:
    return Run(1, "tx", f"r{clock_s}", score, verdict == "VALID", failure, clock_s, clock_s)


@pytest.mark.parametrize(
    ("runs", "now_s", "expected"),
    [
        ([], 459, ""),
        ([], 461, "no valid run for 6 min"),
        ([ran(300)], 659, ""),
        ([ran(300)], 700, "no new valid run for 6 min"),
        ([ran(300, verdict="INVALID")], 700, "no valid run for 10 min"),
        ([ran(200, failure="hung"), ran(210, failure="hung")], 220, ""),
        ([ran(200, failure="hung"), ran(210, failure="hung"), ran(215, failure="hung")], 220, "3 times the same: hung"),
        ([ran(200, failure="a"), ran(210, failure="hung"), ran(215, failure="hung")], 220, ""),
        ([ran(200), ran(210), ran(215)], 220, ""),
        ([ran(200, score=95), ran(210, failure="x"), ran(211, failure="x"), ran(212, failure="x")], 2000, ""),
    ],
)
def test_stuck(runs: list[Run], now_s: float, expected: str) -> None:
    """No valid run for six minutes, or three times the same failure; who has solved the lab is not stuck."""
    assert expected == stuck(runs, joined_clock_s=0, began_clock_s=100, now_clock_s=now_s, rule=RULE)


def test_a_pause_makes_nobody_stuck(made: Made) -> None:
    """Who came late is given the same minutes, whatever the session stood still meanwhile."""
    made.start()
    made.run(made.workshop.hour.go_to(1))
    made.clock.t_s += 400
    made.join("Late")
    made.run(made.workshop.hour.pause(True))
    made.clock.t_s += 1000
    made.run(made.workshop.hour.pause(False))
    made.clock.t_s += 300
    assert [person.stuck for person in made.run(made.workshop.analytics.room()).people] == [""]
    made.clock.t_s += 100
    (late,) = made.run(made.workshop.analytics.room()).people
    assert late.stuck == "no valid run for 6 min"


RUNS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from(["timeouts", "tx"]), st.integers(0, 100), st.booleans()), max_size=30
)


@given(RUNS)
def test_leaderboard_is_ordered_and_complete(given_runs: list[tuple[int, str, int, bool]]) -> None:
    """Everybody with a valid run stands there once; totals only fall; ranks count from one."""
    runs = [
        Run(person, lab, f"r{n}", score, valid, "", float(n), float(n))
        for n, (person, lab, score, valid) in enumerate(given_runs)
    ]
    table = standings(runs, {})
    assert {run.person_id for run in runs if run.counts} == {row.person_id for row in table}
    assert [row.rank for row in table] == list(range(1, len(table) + 1))
    assert [row.total for row in table] == sorted((row.total for row in table), reverse=True)
    best: dict[Any, int] = {}
    for run in runs:
        if run.counts:
            best[run.person_id, run.lab] = max(run.score, best.get((run.person_id, run.lab), 0))
    assert sum(best.values()) == sum(row.total for row in table)
