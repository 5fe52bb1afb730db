"""Scores that came by chat: pasted score lines and the freeze, kept in `reports/leaderboard.json`.

    chat text ──▶ score/line.py ──▶ Board ──▶ leaderboard.rank, together with the runs of this machine

Only lines that can be trusted as far as their checksum goes are kept; each run once, however often it is pasted.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from labdriver import whole_file
from labdriver.errors import Misuse
from labdriver.report.leaderboard import Result
from labdriver.score import line
from labdriver.score.line import ScoreLine

FILE = "leaderboard.json"
STAMP = "%Y%m%dT%H%M%SZ"  # as in a run's id, so that the two compare as text


@dataclass(frozen=True)
class Board:
    """Pasted lines in the order they came. `frozen` is a stamp; runs started later are not on the board."""

    lines: tuple[ScoreLine, ...] = ()
    frozen: str = ""

    def results(self) -> list[Result]:
        """The pasted lines that count."""
        return [Result(x.by, x.lab, x.run, x.score) for x in self.lines if x.counts]

    def shows(self, results: Iterable[Result]) -> list[Result]:
        """Results of this machine and of the chat, each run once, none from after the freeze."""
        merged = {(r.by, r.lab, r.run): r for r in (*results, *self.results())}
        return [r for r in merged.values() if not self.frozen or r.run <= self.frozen]


@dataclass(frozen=True)
class Added:
    """What became of a pasted text."""

    new: tuple[ScoreLine, ...]
    known: tuple[ScoreLine, ...]  # pasted before
    refused: tuple[ScoreLine, ...]  # each with its problem


def stamp_time(stamp: str) -> str:
    """A stamp as ISO 8601."""
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC).isoformat()


def read(reports: Path) -> Board:
    """The board; empty when nothing was pasted. Raises Misuse for a file that is not ours."""
    path = reports / FILE
    if not path.is_file():
        return Board()
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Board(tuple(ScoreLine(**entry) for entry in document["lines"]), str(document["frozen"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Misuse(f"{path} is not a leaderboard ({error})", next_step=f"delete {path}") from error


def add(reports: Path, text: str, *, labs: Collection[str]) -> Added:
    """Take every score line out of `text` and keep the new ones of `labs`: made-up labs would make a total.

    Raises OSError when it cannot be written.
    """
    board = read(reports)
    have = {(x.lab, x.by, x.run) for x in board.lines}
    new: list[ScoreLine] = []
    known: list[ScoreLine] = []
    refused: list[ScoreLine] = []
    for found in line.parse(text):
        if not found.problem and found.lab not in labs:
            found = replace(found, problem=f"lab is {found.lab!r}, expected one of: {', '.join(labs)}")
        key = (found.lab, found.by, found.run)
        if found.problem:
            refused.append(found)
        elif key in have:
            known.append(found)
        else:
            have.add(key)
            new.append(found)
    if new:
        _write(reports, Board((*board.lines, *new), board.frozen))
    return Added(tuple(new), tuple(known), tuple(refused))


def freeze(reports: Path, *, frozen: bool) -> Board:
    """Freeze the board as of now, or let it run again."""
    board = Board(read(reports).lines, datetime.now(UTC).strftime(STAMP) if frozen else "")
    _write(reports, board)
    return board


def _write(reports: Path, board: Board) -> None:
    document = {"lines": [asdict(entry) for entry in board.lines], "frozen": board.frozen}
    whole_file.write(reports / FILE, json.dumps(document, indent=1, ensure_ascii=False).encode())
