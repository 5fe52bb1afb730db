"""What the rules judge: every scored request with its label, and the questions that several rules ask.

    Record + books ──▶ gather() ──▶ Evidence ──▶ rules, metrics

A label says what the request was worth to the one who sent it. `good`: a right answer. `degraded`: a lesser answer,
marked as such, at a time when nothing better could be had. `failed`: an honest failure, or no answer at all.
`dishonest`: an answer that claims what never happened. Knows no rule.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from pydantic import ValidationError

from labdriver.errors import Misuse
from labdriver.lab import Model, Phase
from labdriver.record import Record, Row
from labdriver.score import books, scan

Label = Literal["good", "degraded", "dishonest", "failed"]
Params = TypeVar("Params", bound=Model)


@dataclass(frozen=True, slots=True)
class Claim:
    """One scored request and what the books say of it."""

    row: Row
    label: Label
    why: str  # in a few words, empty for good

    @property
    def right(self) -> bool:
        return self.label in ("good", "degraded")


@dataclass(frozen=True)
class Books(Generic[Params]):
    """How one kind of claim is checked: its parameters, and the check that labels every scored row.

    `tell` says what happened in a sentence or two, where the general words of a report do not fit.
    """

    params: type[Params]
    label: Callable[[Record, Params], list[Claim]]
    tell: "Callable[[Evidence, Params], str] | None" = None


@dataclass(frozen=True, slots=True)
class Percentile:
    """`value_s` is a lower bound when `censored`: requests without an answer are at or below that rank."""

    value_s: float
    censored: bool

    def ms(self) -> str:
        """For people: `412 ms`, `≥ 10,250 ms`."""
        return f"{'≥ ' if self.censored else ''}{self.value_s * 1000:,.0f} ms"


@dataclass(frozen=True)
class Evidence:
    """One record with its books checked. A request that was never due, because the run was cut short, is no claim."""

    record: Record
    claims: tuple[Claim, ...]

    @cached_property
    def phase_starts_s(self) -> tuple[float, ...]:
        """When each phase of the scenario begins, plus the end of the last."""
        starts = [0.0]
        for phase in self.record.head.scenario.phases:
            starts.append(starts[-1] + phase.duration_s)
        return tuple(starts)

    def phase(self, row: Row) -> Phase:
        return self.record.head.scenario.phases[row.phase]

    def in_kinds(self, kinds: Iterable[str], *, skip_s: float = 0) -> list[Claim]:
        """Claims of phases of these kinds, the first `skip_s` of each phase left out."""
        wanted = set(kinds)
        return [
            claim
            for claim in self.claims
            if self.phase(claim.row).kind in wanted
            and claim.row.intended_s >= self.phase_starts_s[claim.row.phase] + skip_s
        ]

    @cached_property
    def right_ratio(self) -> float:
        """Share of right answers among all scored requests, 0 when there is none."""
        return share(sum(claim.right for claim in self.claims), len(self.claims))

    @cached_property
    def _patience_ms(self) -> tuple[float, ...]:
        """By kind of request: the longest `within_ms` of the rules that look at it."""
        scenario = self.record.head.scenario
        named = [(rule.params.get("request"), rule.params.get("within_ms")) for rule in scenario.rules]
        return tuple(
            float(max((ms for name, ms in named if ms is not None and name in (None, request.name)), default=math.inf))
            for request in scenario.requests
        )

    def patience_ms(self, row: Row) -> float:
        """How long people wait for the answer to such a request, as the rules of the scenario say."""
        return self._patience_ms[row.request]

    def in_time(self, claim: Claim) -> bool:
        """A right answer that came before people left."""
        return claim.right and self.latency_ms(claim.row) <= self.patience_ms(claim.row)

    @cached_property
    def dishonest(self) -> list[Claim]:
        return [claim for claim in self.claims if claim.label == "dishonest"]

    def latency_ms(self, row: Row) -> float:
        return self.record.latency_s(row) * 1000

    @cached_property
    def awaited(self) -> tuple[Claim, ...]:
        """Claims of those requests whose answer people wait for: all of them, unless rules name a patience for some."""
        waited = tuple(claim for claim in self.claims if self.patience_ms(claim.row) < math.inf)
        return waited or self.claims

    def percentile(self, percent: float) -> Percentile | None:
        """Latency from the intended start over what people wait for, unanswered requests at their age."""
        return percentile(
            [(self.record.latency_s(claim.row), claim.row.done_s is None) for claim in self.awaited], percent
        )


def gather(record: Record) -> Evidence:
    """Check the books of a record. Raises Misuse when the scenario names unknown books or wrong parameters."""
    made, given = _books(record)
    claims = made.label(record, given)
    whole = record.head.ended == "complete"
    return Evidence(record, tuple(c for c in claims if whole or c.row.intended_s < record.head.load_s))


def own_words(evidence: Evidence) -> str:
    """What happened, in the words of the scenario's own books; empty when they have none."""
    made, given = _books(evidence.record)
    return made.tell(evidence, given) if made.tell and evidence.claims else ""


def _books(record: Record) -> tuple[Books[Any], Model]:
    use = record.head.scenario.books
    made: Books[Any] = scan.find(books, use.books, constant="BOOKS")
    return made, params(made.params, use.params, of=f"books {use.books}")


def params(kind: type[Params], given: dict[str, Any], *, of: str) -> Params:
    """Validate parameters from a scenario. Raises Misuse naming each wrong one and what was expected."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'params'}: {e['msg']}" for e in error.errors())
        known = ", ".join(kind.model_fields)
        raise Misuse(f"{of}: {faults}; its parameters are: {known}", next_step="mend scenario.yaml") from error


def percentile(values: Sequence[tuple[float, bool]], percent: float) -> Percentile | None:
    """Nearest-rank percentile of (value, censored) pairs, None without any.

    A censored value is only known to be at least as large. So the percentile is a lower bound as soon as one
    censored value lies at or below its rank.
    """
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, math.ceil(len(ordered) * percent / 100 - 1e-9))
    return Percentile(ordered[rank - 1][0], any(censored for _, censored in ordered[:rank]))


def share(part: float, whole: float) -> float:
    """part ÷ whole, 0 for nothing."""
    return part / whole if whole else 0.0


def steps(spans: Iterable[tuple[float | None, float | None]]) -> list[tuple[float, int]]:
    """(time, spans open from then on) of spans from begin to end. At the same moment, ends come before beginnings."""
    changes: list[tuple[float, int]] = []
    for begin_s, end_s in spans:
        changes += [(begin_s, 1)] if begin_s is not None else []
        changes += [(end_s, -1)] if end_s is not None else []
    found, count = [], 0
    for t_s, change in sorted(changes):
        count += change
        found.append((t_s, count))
    return found
