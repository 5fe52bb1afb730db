"""The runs below `reports/`: which there are, in what order, and which one a run is set beside.

Reads heads only, with the judgement kept in them. A record that cannot be read, or is of a newer kit, is told as a
problem and never stops the others.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from labdriver import record
from labdriver.errors import LabError
from labdriver.record import Head
from labdriver.report.leaderboard import Result

PAGE = "report.html"


@dataclass(frozen=True)
class Entry:
    """One run as index and leaderboard need it. `judgement` is empty for a run that was never judged."""

    folder: Path
    head: Head
    judgement: dict[str, Any]

    @property
    def score(self) -> int:
        return int(self.judgement.get("score", 0))

    @property
    def verdict(self) -> str:
        return str(self.judgement.get("verdict", "not judged"))

    @property
    def counts(self) -> bool:
        """On the leaderboard: VALID, and of the length that the scenario says."""
        return self.verdict == "VALID" and self.head.scale_ratio == 1

    @property
    def metrics(self) -> dict[str, Any]:
        return dict(self.judgement.get("metrics", {}))

    def to_json(self) -> dict[str, Any]:
        """As `baseline` in `labdriver run --json`."""
        return {
            "lab": self.head.lab,
            "run": self.head.run,
            "by": self.head.by,
            "runtime": self.head.runtime,
            "started_at": self.head.started_at,
            "score": self.score,
            "verdict": self.verdict,
            "p95_ms": self.metrics.get("p95_ms"),
            "ok_ratio": self.metrics.get("ok_ratio"),
            "report": str(self.folder / PAGE),
        }


@dataclass(frozen=True)
class Problem:
    """A folder that should be a run and cannot be read."""

    folder: Path
    why: str


@dataclass(frozen=True)
class History:
    """All runs, newest first, and what could not be read."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]

    def of(self, lab: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.head.lab == lab]

    def results(self) -> list[Result]:
        """The runs that count on the leaderboard."""
        return [Result(e.head.by, e.head.lab, e.head.run, e.score) for e in self.entries if e.counts]

    def before(self, head: Head) -> list[Entry]:
        """Earlier runs of the same lab by the same participant, newest first."""
        return [e for e in self.of(head.lab) if e.head.by == head.by and e.head.run < head.run]


def read(reports: Path) -> History:
    """Every `<lab>/<run>/run.json` below `reports`; nothing when the folder is not there."""
    entries, problems = [], []
    for path in sorted(reports.glob("*/*/run.json")):
        folder = path.parent
        try:
            head, judgement = record.load_head(folder)
        except LabError as error:
            problems.append(Problem(folder, error.message))
            continue
        entries.append(Entry(folder, head, judgement if _makes_sense(judgement) else {}))
    entries.sort(key=lambda entry: (entry.head.run, entry.folder.name), reverse=True)
    return History(tuple(entries), tuple(problems))


def _makes_sense(judgement: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a kept judgement has what the index shows; a record may have been edited by hand."""
    if not isinstance(judgement, dict) or not isinstance(judgement.get("metrics", {}), dict):
        return False
    metrics = judgement.get("metrics", {})
    figures = [judgement.get("score"), *(metrics.get(name, 0) for name in ("attempted", "in_time"))]
    wait_ms = metrics.get("p95_ms")
    return all(isinstance(value, int) for value in figures) and (wait_ms is None or isinstance(wait_ms, int))


def previous(history: History, head: Head) -> Entry | None:
    """The run that this participant made just before in this lab, whatever became of it."""
    return next(iter(history.before(head)), None)


def sides(history: History, head: Head) -> tuple[list[Entry], list[Entry]]:
    """Earlier VALID runs under the same phases, newest first: those of this very edit, those of the edit before it."""
    told = [entry for entry in history.before(head) if _may_be_compared(entry, head) and _edit(entry.head)]
    others = [entry for entry in told if _edit(entry.head) != _edit(head)]
    afters = [entry for entry in told if entry not in others]
    return afters, [entry for entry in others if _edit(entry.head) == _edit(others[0].head)]


def best_earlier(history: History, head: Head) -> Entry | None:
    """The best earlier VALID run of this participant under the same phases, the earlier of equals; None without one."""
    same = [entry for entry in history.before(head) if _may_be_compared(entry, head)]
    return max(reversed(same), key=lambda entry: entry.score, default=None)


def _may_be_compared(entry: Entry, head: Head) -> bool:
    return entry.verdict == "VALID" and entry.head.scenario.phases == head.scenario.phases


def _edit(head: Head) -> str:
    """Checksum of the lab's code that was measured; empty when the stack did not tell."""
    return head.stack.code.get(head.lab, "")
