"""Who is ahead: the best VALID score of each participant in each lab, and their sum.

Pure. Ties go to whoever got there first. A run shorter or longer than its scenario does not count.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """One VALID run of full length, from this machine's records or from a pasted score line."""

    by: str
    lab: str
    run: str  # its id: the UTC time it began
    score: int


@dataclass(frozen=True)
class Place:
    """One participant. `best` holds the best run of each lab that was scored at all."""

    rank: int  # equal scores share a rank only when they were reached in the same second
    by: str
    total: int
    best: dict[str, Result]
    reached: str  # run id of the run that completed the total
    scores: tuple[int, ...]  # of all VALID runs, oldest first


def rank(results: Iterable[Result]) -> list[Place]:
    """All participants, first place first."""
    runs: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda r: r.run):
        runs.setdefault(result.by, []).append(result)
    standing = []
    for by, counted in runs.items():
        best: dict[str, Result] = {}
        for result in counted:  # oldest first, so that an equal later score does not replace the earlier one
            held = best.get(result.lab)
            if held is None or result.score > held.score:
                best[result.lab] = result
        total = sum(result.score for result in best.values())
        reached = max(result.run for result in best.values())
        standing.append((-total, reached, by, best, tuple(result.score for result in counted)))
    standing.sort(key=lambda place: place[:3])
    order = [place[:2] for place in standing]
    return [
        Place(order.index((minus, reached)) + 1, by, -minus, best, reached, scores)
        for minus, reached, by, best, scores in standing
    ]
