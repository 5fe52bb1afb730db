"""Writes what people open: a run's page, the index of all runs, the charts' library beside them.

    run folder ──▶ publish() ──▶ reports/<lab>/<run>/report.html, reports/index.html, reports/assets/plotly.min.js

Judges each record anew, so that old runs are seen with today's eyes, and keeps that judgement in `run.json` for the
index. With board.py the only module of the report that writes files.
"""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labdriver import record, whole_file
from labdriver.errors import EnvironmentFault, LabError
from labdriver.record import Record
from labdriver.report import board, history, index, page
from labdriver.report.history import PAGE, Entry, History, Problem
from labdriver.score.card import Card, judge
from labdriver.score.compare import PROOF_RUNS, Comparison, compare_groups

ASSET = Path("assets") / "plotly.min.js"
INDEX = "index.html"
# What a record that somebody has edited may raise; one that makes no sense must not stop the others.
SENSELESS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


@dataclass(frozen=True)
class Built:
    """What `rebuild` made, and which folders it left out and why."""

    pages: int
    index: Path
    problems: tuple[str, ...]


def publish(reports: Path, run_folder: Path) -> Path:
    """Render the page of one run and the index; returns the page.

    Raises OSError when `reports` cannot be written, Misuse when the run's record cannot be read.
    """
    asset(reports)
    made = record.load(run_folder)
    runs = history.read(reports)
    _page(run_folder, made, runs)
    write_index(reports)
    return run_folder / PAGE


def rebuild(reports: Path) -> Built:
    """Render every page and the index again. Raises OSError when `reports` cannot be written."""
    asset(reports)
    runs = history.read(reports)
    problems = [*runs.problems]
    done: list[Entry] = []
    for entry in reversed(runs.entries):  # oldest first: a run is set beside runs already judged anew
        try:
            made = record.load(entry.folder)
            card = _page(entry.folder, made, History(tuple(reversed(done)), ()))
            done.append(Entry(entry.folder, made.head, card.to_json()))
        except LabError as error:
            problems.append(Problem(entry.folder, error.message))
        except SENSELESS as error:
            problems.append(Problem(entry.folder, f"the record makes no sense ({type(error).__name__}: {error})"))
    left_out = {problem.folder for problem in problems}
    kept = tuple(entry for entry in history.read(reports).entries if entry.folder not in left_out)
    problems = _index(reports, History(kept, tuple(problems)))
    return Built(len(done), reports / INDEX, tuple(f"{problem.folder}: {problem.why}" for problem in problems))


def write_index(reports: Path) -> Path:
    """Write the index alone, after the leaderboard has changed. Raises OSError when it cannot be written."""
    _index(reports, history.read(reports))
    return reports / INDEX


def _index(reports: Path, runs: History) -> list[Problem]:
    """Write the index; returns everything that it lists as left out, a broken file of pasted scores included."""
    problems = [*runs.problems]
    pasted = board.Board()
    try:
        pasted = board.read(reports)
    except LabError as error:
        problems.append(Problem(reports / board.FILE, error.message))
    text = index.render(History(runs.entries, tuple(problems)), pasted, reports)
    whole_file.write(reports / INDEX, text.encode(errors="replace"))
    return problems


def previous(made: Record, reports: Path) -> dict[str, Any] | None:
    """The participant's run before this one, as `baseline` of `labdriver run --json`."""
    entry = history.previous(history.read(reports), made.head)
    return entry.to_json() if entry else None


def asset(reports: Path) -> Path:
    """Put the charts' library beside the pages, once. Raises EnvironmentFault when it is not installed."""
    found = importlib.util.find_spec("plotly")  # finds, does not import: that would cost 100 ms a page
    if found is None or not found.submodule_search_locations:
        raise EnvironmentFault("the package plotly is not installed", next_step="make quickstart")
    source = Path(found.submodule_search_locations[0]) / "package_data" / ASSET.name
    there = reports / ASSET
    if not there.is_file() or there.stat().st_size != source.stat().st_size:
        whole_file.write(there, source.read_bytes())
    return there


def _page(folder: Path, made: Record, runs: History) -> Card:
    """Judge and render one run among `runs`; keep the judgement when it is not what the head already has."""
    card = judge(made)
    baseline = _load(history.previous(runs, made.head))
    best = history.best_earlier(runs, made.head)
    ghost = baseline if baseline and best and best.head.run == baseline[0].head.run else _load(best)
    href = os.path.relpath(folder.parents[1] / ASSET, folder).replace(os.sep, "/")
    proof = _proof(made, runs) if card.verdict == "VALID" else None
    text = page.render(made, card, baseline=baseline, ghost=ghost, proof=proof, assets_href=href)
    whole_file.write(folder / PAGE, text.encode(errors="replace"))
    _keep(folder, made, card)
    return card


def _proof(made: Record, runs: History) -> Comparison | None:
    """This edit against the one before it, once there are enough runs of both; records are read only then."""
    afters, befores = history.sides(runs, made.head)
    if len(afters) < PROOF_RUNS - 1 or len(befores) < PROOF_RUNS:
        return None
    news = [made, *_readable(afters[: PROOF_RUNS - 1])]
    olds = _readable(befores[:PROOF_RUNS])
    return compare_groups(olds, news) if len(olds) == len(news) == PROOF_RUNS else None


def _readable(entries: list[Entry]) -> list[Record]:
    return [earlier[0] for entry in entries if (earlier := _load(entry))]


def _keep(folder: Path, made: Record, card: Card) -> None:
    _, judgement = record.load_head(folder)
    if judgement != card.to_json():
        record.save_head(folder, made.head, card.to_json())


def _load(entry: Entry | None) -> tuple[Record, Card] | None:
    """A whole earlier run; None when there is none or it can no longer be read."""
    if entry is None:
        return None
    try:
        earlier = record.load(entry.folder)
        return earlier, judge(earlier)
    except (LabError, *SENSELESS):
        return None
