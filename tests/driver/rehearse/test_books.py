"""The books of a rehearsal: whatever is lost, doubled or invented shows; and the crowd that plays it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labdriver import lab
from labdriver.rehearse import crowd
from labdriver.rehearse.books import compare
from labdriver.rehearse.bot import Bot
from labdriver.rehearse.crowd import Character
from labdriver.score.line import parse

ROOT = Path(__file__).resolve().parents[3]
PEOPLE = crowd.read()
RUNS = st.dictionaries(
    st.tuples(st.sampled_from(["tx", "timeouts"]), st.sampled_from(["r1", "r2"])), st.integers(0, 100)
)


def bot(number: int, runs: dict[tuple[str, str], int], handled: int) -> Bot:
    made = Bot(number, f"bot {number}", Character(PEOPLE, seed=1, number=number), PEOPLE.people)
    made.participant, made.runs, made.handled = number + 1, runs, handled
    return made


def export(bots: list[Bot]) -> dict[str, Any]:
    """What a board that lost nothing would say."""
    handled = {str(b.participant): b.handled for b in bots if b.handled}
    total = sum(b.handled for b in bots)
    return {
        "runs": [
            {"participant_id": b.participant, "lab": lab, "run": run, "score": score}
            for b in bots
            for (lab, run), score in b.runs.items()
        ],
        "handled": handled,
        "tickets": {"opened": total + 3, "open": 2, "held": 1, "resolved": total, "escalated": 0},
    }


BOTS = st.lists(st.tuples(RUNS, st.integers(0, 9)), min_size=1, max_size=4).map(
    lambda given_bots: [bot(n, runs, handled) for n, (runs, handled) in enumerate(given_bots)]
)


@given(BOTS)
def test_right_books_balance(bots: list[Bot]) -> None:
    """Nothing is found where nothing is wrong."""
    assert compare(bots, export(bots)).holds


@given(BOTS, st.data())
def test_every_wrong_entry_is_found(bots: list[Bot], data: st.DataObject) -> None:
    """A run that is lost, doubled, changed or invented, a ticket too few or too many: each shows in its place."""
    told = export(bots)
    if told["runs"]:
        place = data.draw(st.integers(0, len(told["runs"]) - 1))
        others = told["runs"][:place] + told["runs"][place + 1 :]
        assert compare(bots, {**told, "runs": others}).runs_lost == 1
        assert compare(bots, {**told, "runs": [*told["runs"], told["runs"][place]]}).runs_doubled == 1
        changed = {**told["runs"][place], "score": told["runs"][place]["score"] + 1}
        assert (
            compare(bots, {**told, "runs": [*told["runs"][:place], changed, *told["runs"][place + 1 :]]}).runs_strange
            == 1
        )
    invented = {"participant_id": 99, "lab": "tx", "run": "r9", "score": 1}
    assert compare(bots, {**told, "runs": [*told["runs"], invented]}).runs_strange == 1
    bots[0].handled += 1
    assert compare(bots, told).tickets_lost == 1
    bots[0].handled -= 2
    assert compare(bots, told).tickets_doubled == 1
    assert compare(bots, {**told, "tickets": {**told["tickets"], "open": 5}}).tickets_unbalanced == 3


def test_a_business_that_does_nothing_shows() -> None:
    """No ticket although there was time for some, or a scenario that was refused: the rehearsal has not rehearsed."""
    bots = [bot(0, {}, 0)]
    silent = {**export(bots), "tickets": dict.fromkeys(("opened", "open", "held", "resolved", "escalated"), 0)}
    assert compare(bots, silent).holds
    assert compare(bots, silent, tickets_are_due=True).tickets_never_opened == 1
    assert compare(bots, export(bots), tickets_are_due=True).holds
    assert not compare(bots, export(bots), scenarios_refused=1).holds


@given(st.integers(0, 500), st.integers(0, 12), st.sampled_from(["timeouts", "tx", "bulkheads", "autoscale"]))
def test_bots_results_make_good_score_lines(number: int, attempt: int, lab_id: str) -> None:
    """Each result of each bot prints as a line that is read back; the first attempt never solves, the fifth does."""
    who = Character(PEOPLE, seed=1, number=number)
    result, is_valid, is_solved = who.result(lab_id, attempt=attempt)
    line = result.line(lab=lab_id, run="20260101T000000Z", by=f"bot {number}", is_valid=is_valid)
    (read,) = parse(line)
    assert (read.problem, read.score, read.by, read.verdict == "VALID") == ("", result.score, f"bot {number}", is_valid)
    assert not (attempt == 0 and is_solved)
    assert is_solved == (is_valid and result.score >= 90)


@pytest.mark.parametrize("lab_id", lab.find(ROOT / "labs"))
def test_failures_are_rules_of_the_lab(lab_id: str) -> None:
    """The facilitator's page counts bots' failures beside people's."""
    rules = {rule.id for rule in lab.load(ROOT / "labs", lab_id).scenario.rules}
    known = PEOPLE.results[lab_id]
    assert {result.failure for result in (*known.starter, *known.near, *known.solved)} <= rules | {""}


def test_other_bots_change_nobodys_luck() -> None:
    """A bot's draws are its own: the same number and seed, the same life."""
    lives = [[Character(PEOPLE, seed=5, number=n).time_s(100) for n in range(count)] for count in (3, 9)]
    assert lives[0] == lives[1][:3]
