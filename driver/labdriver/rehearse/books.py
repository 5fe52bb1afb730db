"""The bots' books against the board's: nothing lost, nothing doubled, tickets add up."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labdriver.rehearse.bot import Bot


@dataclass(frozen=True)
class Balance:
    """What does not agree. All zero is right."""

    runs_lost: int  # confirmed to a bot, not on the board
    runs_doubled: int  # more than once on the board
    runs_strange: int  # on the board, never sent, or with another score
    tickets_lost: int  # handled by a bot, not in the board's books
    tickets_doubled: int  # more handled in the books than by the bots
    tickets_unbalanced: int  # opened − (open + held + resolved + escalated)
    tickets_never_opened: int  # 1 when none came, though there was time for some
    scenarios_refused: int  # triggered, and nothing happened

    @property
    def holds(self) -> bool:
        return not any(vars(self).values())


def compare(
    bots: Sequence[Bot], export: Mapping[str, Any], *, scenarios_refused: int = 0, tickets_are_due: bool = False
) -> Balance:
    """Compare. `export` is the answer of GET /workshop/export; `tickets_are_due`: by now one must have been opened."""
    sent = {(b.participant, *key): score for b in bots for key, score in b.runs.items()}
    rows = [((r["participant_id"], r["lab"], r["run"]), r["score"]) for r in export["runs"]]
    counted = Counter(key for key, _ in rows)
    handled = {int(person): int(n) for person, n in export["handled"].items()}
    differences = [b.handled - handled.get(b.participant, 0) for b in bots]
    books = export["tickets"]
    return Balance(
        runs_lost=sum(1 for key in sent if key not in counted),
        runs_doubled=sum(n - 1 for n in counted.values()),
        runs_strange=sum(1 for key, score in rows if sent.get(key) != score),
        tickets_lost=sum(d for d in differences if d > 0),
        tickets_doubled=-sum(d for d in differences if d < 0),
        tickets_unbalanced=abs(
            books["opened"] - books["open"] - books["held"] - books["resolved"] - books["escalated"]
        ),
        tickets_never_opened=int(tickets_are_due and not books["opened"]),
        scenarios_refused=scenarios_refused,
    )
