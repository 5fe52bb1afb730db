"""One modifier: a change of one target that comes, holds and fades, and its state at any instant.

    pending → active → settling → settled (within 5 % of normal) → gone (no effect left)

A target is a rate (events per hour), odds (a probability) or a value. How several modifiers combine is said in
`modifiers.py`.
"""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

from labsvc.sim.envelope import Envelope
from labsvc.sim.instant import NEVER_US

TargetKind = Literal["rate", "odds", "value"]
Kind = Literal["multiplier", "additive", "override", "shift"]
State = Literal["pending", "active", "settling", "settled", "gone"]

ALLOWED: dict[TargetKind, tuple[Kind, ...]] = {
    "rate": ("multiplier", "additive", "override"),
    "odds": ("shift", "override"),
    "value": ("multiplier", "additive", "override"),
}


class Target(NamedTuple):
    """Something a modifier can act on. `normal` is what departures are measured against."""

    name: str
    kind: TargetKind
    normal: float


class Modifier:
    """One change of one target. `amount`: factor, amount per hour or in the value's unit, value, or log-odds."""

    def __init__(
        self, id: str, target: Target, kind: Kind, amount: float, envelope: Envelope, *, priority: int, cause: str
    ) -> None:
        self.id = id
        self.target = target
        self.kind = kind
        self.amount = amount
        self.envelope = envelope
        self.priority = priority
        self.cause = cause
        self.started = 0  # order of start within the run
        self.settled_us = NEVER_US
        self.reach()

    def reach(self) -> None:
        """Work out anew when it will have settled."""
        self.settled_us = self.envelope.settled_us(self.departure)

    @property
    def adds(self) -> bool:
        """Whether it can ever raise a rate."""
        least = 1 if self.kind == "multiplier" else 0
        return self.amount > least or self.envelope.settling.spike_ratio > 0

    def apply(self, value: float, at_us: int) -> float:
        """`value` with this modifier on top. Not for shifts, which act on odds (`odds.py`)."""
        level = self.envelope.level(at_us)
        if self.kind == "multiplier":
            changed = value * (1.0 + (self.amount - 1.0) * level)
        elif self.kind == "additive":
            changed = value + self.amount * level
        else:
            changed = value + (self.amount - value) * level
        return changed * (1.0 + self.envelope.spike(at_us))

    def most_added(self, most: float, from_us: int, until_us: int) -> float:
        """A bound of what it adds to a value of at most `most` between two instants without a knot between."""
        level, spike = self._highest(self.envelope.level, from_us, until_us), 0.0
        if self.envelope.settling.spike_ratio:
            spike = self._highest(self.envelope.spike, from_us, until_us)
        match self.kind:
            case "multiplier":
                added = most * max(0.0, self.amount - 1.0) * level
            case "additive":
                added = max(0.0, self.amount) * level
            case _:
                added = self.amount * level
        return added + (most + added) * spike

    def departure(self, at_us: int) -> float:
        """How far it alone moves its target away from normal, as a share of normal (of itself, when that is 0)."""
        normal = self.target.normal
        if self.kind == "shift":
            weight = normal * math.exp(self.amount * self.envelope.level(at_us))
            moved = abs(weight / (weight + 1.0 - normal) - normal)
        else:
            moved = abs(self.apply(normal, at_us) - normal)
        return moved / (abs(normal) or abs(self.amount) or 1.0)

    def state(self, at_us: int) -> State:
        stop_us = NEVER_US if self.envelope.stop_us is None else self.envelope.stop_us
        if at_us < min(self.envelope.start_us, stop_us):
            return "pending"
        if at_us < stop_us:
            return "active"
        if at_us < self.settled_us:
            return "settling"
        return "settled" if at_us < self.envelope.end_us else "gone"

    def next_change_us(self, at_us: int) -> int:
        """The next instant at which its state changes; NEVER_US while that is open."""
        stop_us = NEVER_US if self.envelope.stop_us is None else self.envelope.stop_us
        turns = (self.envelope.start_us, stop_us, self.settled_us, self.envelope.end_us)
        return min((turn for turn in turns if turn > at_us), default=NEVER_US)

    def _highest(self, curve: Callable[[int], float], from_us: int, until_us: int) -> float:
        return max(curve(from_us), curve(until_us - 1))
