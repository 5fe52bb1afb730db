"""The leaderboard that is pasted together: chat text in, each run once, nothing mistyped, frozen when asked."""

from pathlib import Path

import pytest

from labdriver.errors import Misuse
from labdriver.report import board
from labdriver.report.leaderboard import Result, rank
from labdriver.score.line import checksum

LABS = ("timeouts", "tx")


def pasted(by: str, score: int, run: str, lab: str = "timeouts", more: str = "") -> str:
    """A right score line."""
    text = f"SCORE lab={lab} score={score} p95_ms=412 ok=0.992 verdict=VALID by={by} run={run}{more}"
    return f"{text} check={checksum(text)}"


def test_chat_around_the_lines_is_ignored(tmp_path: Path) -> None:
    """Names, times and smileys of a chat do not matter."""
    ann, bob = pasted("ann", 87, "20250101T101502Z"), pasted("bob", 90, "20250101T101602Z")
    chat = f"10:15 Ann: here!\n> {ann}\nBob: mine {bob} :-)"
    assert [x.by for x in board.add(tmp_path, chat, labs=LABS).new] == ["ann", "bob"]


def test_pasted_twice_counts_once(tmp_path: Path) -> None:
    """A chat is copied again and again during an hour."""
    text = pasted("ann", 87, "20250101T101502Z")
    board.add(tmp_path, text, labs=LABS)
    again = board.add(tmp_path, text, labs=LABS)
    assert (len(again.new), len(again.known)) == (0, 1)
    assert len(board.read(tmp_path).lines) == 1


def test_mistyped_line_is_named_and_the_others_kept(tmp_path: Path) -> None:
    """One wrong line loses nothing but itself."""
    wrong = pasted("ann", 87, "20250101T101502Z").replace("score=87", "score=97")
    added = board.add(tmp_path, f"{wrong}\n{pasted('bob', 90, '20250101T101602Z')}", labs=LABS)
    assert [x.by for x in added.new] == ["bob"]
    assert "does not match" in added.refused[0].problem


def test_made_up_lab_is_refused(tmp_path: Path) -> None:
    """Otherwise every made-up lab would be another hundred points."""
    added = board.add(tmp_path, pasted("ann", 100, "20250101T101502Z", lab="easy"), labs=LABS)
    assert [x.problem for x in added.refused] == ["lab is 'easy', expected one of: timeouts, tx"]
    assert board.read(tmp_path).lines == ()


def test_shortened_run_does_not_count(tmp_path: Path) -> None:
    """A run of other length than the scenario's is kept and not ranked."""
    board.add(tmp_path, pasted("ann", 100, "20250101T101502Z", more=" scale=0.25"), labs=LABS)
    held = board.read(tmp_path)
    assert [x.scale_ratio for x in held.lines] == [0.25]
    assert held.results() == []


def test_run_of_this_machine_and_its_pasted_line_are_one() -> None:
    """The facilitator's own runs are not counted twice."""
    own = Result("ann", "timeouts", "20250101T101502Z", 87)
    held = board.Board(())
    assert rank(held.shows([own, own]))[0].scores == (87,)


def test_frozen_board_shows_nothing_newer(tmp_path: Path) -> None:
    """Runs that start after the freeze wait until the board runs again."""
    board.add(tmp_path, pasted("ann", 87, "20250101T101502Z"), labs=LABS)
    board.freeze(tmp_path, frozen=True)
    late = Result("bob", "timeouts", "29991231T235959Z", 100)
    assert [r.by for r in board.read(tmp_path).shows([late])] == ["ann"]
    board.freeze(tmp_path, frozen=False)
    assert {r.by for r in board.read(tmp_path).shows([late])} == {"ann", "bob"}


def test_best_of_each_lab_is_added_up_and_ties_go_to_the_first() -> None:
    """Two labs, one better try, and a tie."""
    results = [
        Result("ann", "timeouts", "20250101T101500Z", 40),
        Result("ann", "timeouts", "20250101T101700Z", 90),
        Result("ann", "tx", "20250101T102000Z", 80),
        Result("bob", "timeouts", "20250101T101600Z", 90),
        Result("bob", "tx", "20250101T102100Z", 80),
    ]
    assert [(p.rank, p.by, p.total) for p in rank(results)] == [(1, "ann", 170), (2, "bob", 170)]


def test_foreign_file_is_told(tmp_path: Path) -> None:
    """A leaderboard.json of another program is not overwritten."""
    (tmp_path / board.FILE).write_text("[]")
    with pytest.raises(Misuse, match="is not a leaderboard"):
        board.add(tmp_path, pasted("ann", 87, "20250101T101502Z"), labs=LABS)
    assert (tmp_path / board.FILE).read_text() == "[]"
