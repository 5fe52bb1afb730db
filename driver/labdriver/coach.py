"""Says in plain words what a run's record shows, and offers the next hint: a cause, never the fix.

    Record ──▶ observations (where requests were, what they waited on) + the rule that took the most points
    facilitator/<lab>.md ──▶ hint ladder ──▶ the step that fits how often this participant has tried

Counts, never guesses: every sentence carries the figures it was read from.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from labdriver.record import Record, Sample
from labdriver.report.cause import cause
from labdriver.report.panel import View
from labdriver.score.card import Card, judge_evidence
from labdriver.score.evidence import gather

CROWD = 10  # requests open at once, below which nobody waits on anything worth telling
_CALLS = re.compile(r"^(\w+)\.calls_in_flight\.(\w+)$")


@dataclass(frozen=True)
class Advice:
    """What to tell a participant after a run."""

    observations: tuple[str, ...]
    deciding: str  # the rule that took the most points and its reason, empty when none was lost
    hint: str  # the next step of the ladder, empty when nothing is to be done
    level: int  # which step, from 1
    levels: int  # how many the ladder has


def coach(record: Record, *, earlier_runs: int, ladder: list[str]) -> Advice:
    """Read one record. `earlier_runs`: runs of this participant in this lab before it; each moves one hint on."""
    evidence = gather(record)
    card = judge_evidence(evidence)
    view = View(evidence, card)
    observations = [cause(view), *_crowd(record), *_given_up(record)]
    lost = card.deciding
    if lost is None or not ladder:
        return Advice(tuple(observations), _told(card), "", 0, len(ladder))
    level = min(earlier_runs + 1, len(ladder))
    return Advice(tuple(observations), _told(card), ladder[level - 1], level, len(ladder))


def hint_ladder(page: Path) -> list[str]:
    """The numbered hints under `## Hint ladder` of a facilitator's page, the last one (the way out) included."""
    if not page.is_file():
        return []
    _, _, rest = page.read_text(encoding="utf-8").partition("## Hint ladder")
    ladder = rest.partition("\n## ")[0]
    joined = re.sub(r"\n\s{2,}", " ", ladder)  # a hint may run over several lines
    return [match[1].strip().strip('"') for match in re.finditer(r"(?m)^\d+\.\s+(.+)$", joined)]


def _told(card: Card) -> str:
    lost = card.deciding
    return f"{lost.title}: {lost.points:g} of {lost.max:g} points. {lost.reason}" if lost else ""


def _crowd(record: Record) -> list[str]:
    """Where the open requests of a service were at its fullest second."""
    told = []
    for role in ("api", "worker"):
        samples = [s for s in record.samples if s.values.get(f"{role}.in_flight", 0) >= CROWD]
        if samples:
            told.append(_fullest(role, max(samples, key=lambda s: s.values[f"{role}.in_flight"])))
    return told


def _fullest(role: str, sample: Sample) -> str:
    values = sample.values
    parts = []
    for name, value in sorted(values.items()):
        match = _CALLS.match(name)
        if match and match[1] == role and value:
            parts.append(_calls(match[2], int(value), values.get(f"depsim.in_flight.{match[2]}")))
    for figure, words in (("db_in_use", "held a database connection"), ("db_waiting", "waited for one")):
        if values.get(f"{role}.{figure}"):
            parts.append(f"{int(values[f'{role}.{figure}'])} {words}")
    where = f": {', '.join(parts)}" if parts else ""
    return f"At {sample.t_s:.0f} s, {int(values[f'{role}.in_flight'])} requests were open in the {role}{where}."


def _calls(operation: str, calls: int, held: float | None) -> str:
    """Calls under way as the service counts them, and how many of them had reached the other side."""
    told = f"{calls} were in a call to {operation}"
    if held is None or calls - held < CROWD:
        return told
    return f"{told}, {int(held)} of which had reached it; the other {calls - int(held)} waited for a free connection"


def _given_up(record: Record) -> list[str]:
    left = sum(1 for call in record.calls if call.at_s >= 0 and call.outcome == "abandoned")
    return [f"{left} calls were given up by the service before the dependency had answered."] if left else []
