"""What a rule is, and what it says. Each file of `rules/` exports one as `RULE`; its file name is its name.

A rule sees the evidence and its own parameters, and returns a share of its points between 0 and 1. Nothing to judge is
never a pass: then the share is None, which counts as no points.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic

from labdriver.record import Row
from labdriver.score.evidence import Claim, Evidence, Params


@dataclass(frozen=True, slots=True)
class Lost:
    """A request that cost points."""

    t_s: float  # when it was due, seconds since t0
    seq: int
    target: str
    what: str

    @classmethod
    def of(cls, row: Row, what: str) -> "Lost":
        return cls(row.intended_s, row.seq, row.target, what)


@dataclass(frozen=True, slots=True)
class Judged:
    """`share`: of the rule's points, 0 to 1; None: there was nothing to judge."""

    share: float | None
    reason: str
    lost: tuple[Lost, ...] = ()


@dataclass(frozen=True)
class Rule(Generic[Params]):
    params: type[Params]
    evaluate: Callable[[Evidence, Params], Judged]


def linear(value: float, *, zero: float, full: float) -> float:
    """0 at `zero`, 1 at `full`, straight between, flat outside. `full` may be the smaller one."""
    if zero == full:
        return float(value >= full)
    return min(1.0, max(0.0, (value - zero) / (full - zero)))


def losses(claims: Iterable[Claim]) -> tuple[Lost, ...]:
    """One `Lost` a claim, in the order of time, with what the books say of it."""
    return tuple(Lost.of(claim.row, claim.why) for claim in sorted(claims, key=lambda c: (c.row.intended_s, c.row.seq)))


def lost_or_late(evidence: Evidence, claims: Iterable[Claim], *, within_ms: float, word: str) -> tuple[Lost, ...]:
    """Claims that are not right, and those that are after `within_ms` only; `word`: what these are, right or done."""
    lost = []
    for claim in claims:
        latency_ms = evidence.latency_ms(claim.row)
        if not claim.right:
            lost.append(Lost.of(claim.row, claim.why))
        elif latency_ms > within_ms:
            lost.append(Lost.of(claim.row, f"{word}, but after {latency_ms:,.0f} ms"))
    return tuple(lost)


def percent(ratio: float) -> str:
    """For people: `62 %`; a share that is neither all nor nothing never reads as such: `99.9 %`, `0.1 %`."""
    value = ratio * 100
    if 0 < value < 1 or 99 < value < 100:
        return f"{min(99.9, max(0.1, value)):.1f} %"
    return f"{value:.0f} %"
