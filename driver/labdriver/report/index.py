"""The page of all runs: the leaderboard, then each lab's runs, newest first, then what could not be read.

Pure: text out. Needs no script to be read and no charts' library; the small curves are drawn as SVG.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from labdriver.report import leaderboard
from labdriver.report.board import Board, stamp_time
from labdriver.report.history import PAGE, Entry, History
from labdriver.report.page import environment, when
from labdriver.score.metrics import told_ms
from labdriver.score.rule import percent

SPARK_WIDTH, SPARK_HEIGHT = 96.0, 22.0


@dataclass(frozen=True)
class Line:
    """One run in the table of its lab."""

    entry: Entry
    started: str
    href: str  # empty when its page is not there
    in_time: str
    p95: str
    note: str


def render(runs: History, board: Board, reports: Path) -> str:
    """The whole index. `reports` is where it will lie: links are relative to it."""
    labs = sorted({e.head.lab for e in runs.entries}, key=lambda lab: (_step(runs, lab), lab))
    places = leaderboard.rank(board.shows(runs.results()))
    elsewhere = {lab for place in places for lab in place.best} - set(labs)
    return (
        environment()
        .get_template("index.html")
        .render(
            labs=[
                (lab, runs.of(lab)[0].head.scenario, [_line(entry, reports) for entry in runs.of(lab)]) for lab in labs
            ],
            places=[(place, spark(place.scores)) for place in places],
            columns=[*labs, *sorted(elsewhere)],
            frozen=when(stamp_time(board.frozen)) if board.frozen else "",
            count=len(runs.entries),
            headline=_headline(runs),
            problems=[(_within(problem.folder, reports), problem.why) for problem in runs.problems],
        )
    )


def _headline(runs: History) -> str:
    """`6 runs by 4 people`."""
    people = len({entry.head.by for entry in runs.entries})
    if not runs.entries:
        return "No run yet"
    told = "1 run" if len(runs.entries) == 1 else f"{len(runs.entries):,} runs"
    return f"{told} by {'1 person' if people == 1 else f'{people:,} people'}"


def spark(scores: tuple[int, ...]) -> str:
    """Points of an SVG polyline of scores from 0 to 100, oldest on the left; empty for fewer than two."""
    if len(scores) < 2:
        return ""
    step = (SPARK_WIDTH - 4) / (len(scores) - 1)
    return " ".join(
        f"{2 + i * step:.1f},{2 + (SPARK_HEIGHT - 4) * (1 - score / 100):.1f}" for i, score in enumerate(scores)
    )


def _line(entry: Entry, reports: Path) -> Line:
    page = entry.folder / PAGE
    m: dict[str, Any] = entry.metrics
    attempted = m.get("attempted") or 0
    notes = [] if entry.head.scale_ratio == 1 else [f"phases × {entry.head.scale_ratio:g}, not on the board"]
    if entry.verdict != "VALID":
        notes.append(str(entry.judgement.get("verdict_reason") or "not judged yet: make report"))
    return Line(
        entry=entry,
        started=when(entry.head.started_at),
        href=_within(page, reports) if page.is_file() else "",
        in_time=percent(m.get("in_time", 0) / attempted) if attempted else "–",
        p95=told_ms(m, "p95"),
        note="; ".join(notes),
    )


def _within(path: Path, reports: Path) -> str:
    return quote(path.relative_to(reports).as_posix())


def _step(runs: History, lab: str) -> int:
    return runs.of(lab)[0].head.scenario.step
