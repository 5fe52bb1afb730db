"""Finished runs on their way to the board: on disk until the board has them, so that no network trouble loses one.

    run ──put──▶ .lab/outbox/<lab>-<run>.json ──send──▶ board        a file goes when the board has said yes
                          └── refused/                                and aside when it has said no

The board counts a run once however often it is sent, so sending again is always safe.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from labdriver import join
from labdriver.join import Membership, Rejected, Unreachable

FOLDER = "outbox"
REFUSED = "refused"


@dataclass(frozen=True)
class Letter:
    """One run as it is sent. `session` is the one that was joined when it ended."""

    session: int
    lab: str
    run: str
    line: str  # its score line
    failure: str  # what was lost, in a few words that are the same for the same failure


@dataclass(frozen=True)
class Sent:
    """What a round of sending did."""

    taken: tuple[str, ...] = ()  # `lab run` of each that the board has now
    refused: tuple[str, ...] = ()  # and why
    waiting: int = 0  # still in the outbox
    other: int = 0  # of a session that is no longer joined
    why: str = ""  # why some wait
    rank: int | None = None  # on the board, after the last one
    problems: tuple[str, ...] = field(default_factory=tuple)  # files that cannot be read


def put(state: Path, letter: Letter) -> None:
    """Keep a run until the board has it. Raises OSError."""
    folder = state / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{letter.lab}-{letter.run}.json"
    beside = path.with_suffix(".part")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(asdict(letter), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def send(state: Path, membership: Membership, *, timeout_s: float = join.TIMEOUT_S) -> Sent:
    """Send everything of the joined session, oldest first. Stops at the first that gets no answer; never raises."""
    taken: list[str] = []
    refused: list[str] = []
    problems: list[str] = []
    rank: int | None = None
    why = ""
    other = waiting = 0
    for path, letter in _letters(state, problems):
        if letter.session != membership.session:
            other += 1
        elif why:
            waiting += 1
        else:
            try:
                rank = _post(membership, letter, timeout_s=timeout_s)
                path.unlink(missing_ok=True)
                taken.append(f"{letter.lab} {letter.run}")
            except Rejected as error:
                _put_aside(path)
                refused.append(f"{letter.lab} {letter.run}: {error.message}")
            except Unreachable as error:
                why, waiting = error.message, waiting + 1
    return Sent(tuple(taken), tuple(refused), waiting, other, why, rank, tuple(problems))


def _post(membership: Membership, letter: Letter, *, timeout_s: float) -> int | None:
    body = {"line": letter.line, "failure": letter.failure}
    told = join.ask(membership.url, "POST", "/workshop/runs", token=membership.token, body=body, timeout_s=timeout_s)
    rank = told.get("rank")
    return rank if isinstance(rank, int) else None


def _letters(state: Path, problems: list[str]) -> Iterator[tuple[Path, Letter]]:
    paths = (state / FOLDER).glob("*.json")
    for path in sorted(paths, key=lambda p: p.stem.rsplit("-", 1)[-1]):  # run ids are times
        try:
            yield path, Letter(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            continue  # another command has just sent it
        except (OSError, ValueError, TypeError) as error:
            problems.append(f"{path}: {error}")


def _put_aside(path: Path) -> None:
    aside = path.parent / REFUSED
    aside.mkdir(exist_ok=True)
    os.replace(path, aside / path.name)
