"""Who is ahead: the best VALID score of each participant in each lab, and their sum.

Pure. Ties go to whoever got there first. A run shorter or longer than its scenario does not count.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from labdriver.report.history import Entry


@dataclass(frozen=True)
class Place:
    """One participant. `best` holds the best run of each lab that was scored at all."""

    rank: int  # equal scores share a rank only when they were reached in the same second
    by: str
    total: int
    best: dict[str, Entry]
    reached: str  # run id of the run that completed the total
    scores: tuple[int, ...]  # of all VALID runs, oldest first


def rank(entries: Iterable[Entry]) -> list[Place]:
    """All participants with at least one run that counts, first place first."""
    runs: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: e.head.run):
        if entry.counts:
            runs.setdefault(entry.head.by, []).append(entry)
    standing = []
    for by, counted in runs.items():
        best: dict[str, Entry] = {}
        for entry in counted:  # oldest first, so that an equal later score does not replace the earlier one
            held = best.get(entry.head.lab)
            if held is None or entry.score > held.score:
                best[entry.head.lab] = entry
        total = sum(entry.score for entry in best.values())
        reached = max(entry.head.run for entry in best.values())
        standing.append((-total, reached, by, best, tuple(entry.score for entry in counted)))
    standing.sort(key=lambda place: place[:3])
    order = [place[:2] for place in standing]
    return [
        Place(order.index((minus, reached)) + 1, by, -minus, best, reached, scores)
        for minus, reached, by, best, scores in standing
    ]
