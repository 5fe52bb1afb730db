"""Odds: one outcome out of several, with probabilities that modifiers may shift.

A shift adds to the log-odds of its outcome, so a probability never leaves 0 to 1; an override sets it. The others
keep their proportions. The choice is coupled: it is made at the normal odds first and then moved to another outcome
only as far as each modifier asks, so what a modifier did not touch is what it was, and what it did carries its name.
"""

import math
from collections.abc import Mapping

from labsvc.errors import Misuse
from labsvc.sim.entity import Entity
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifier import Modifier
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.record import Note

_EXACT = 1e-9


class Odds:
    """A named table outcome → probability. Each outcome is a target of kind odds, `<name>.<outcome>`.

    `targets` (outcome → name) declares only the outcomes it lists, under those names. Raises Misuse when the
    probabilities are not between 0 and 1 or do not add up to 1.
    """

    def __init__(
        self,
        kernel: Kernel,
        modifiers: Modifiers,
        name: str,
        table: Mapping[str, float],
        *,
        targets: Mapping[str, str] | None = None,
    ) -> None:
        total = math.fsum(table.values())
        if not table or abs(total - 1) > _EXACT or any(not 0 <= p <= 1 for p in table.values()):
            raise Misuse(f"odds {name!r} are {dict(table)}, expected probabilities that add up to 1, not {total:g}")
        self.name = name
        self.table = dict(table)
        self._kernel = kernel
        self._modifiers = modifiers
        self._active: list[tuple[str, Modifier]] = []
        self._targets = dict(targets or {outcome: f"{name}.{outcome}" for outcome in table})
        for outcome, target in self._targets.items():
            modifiers.declare(target, "odds", normal=table[outcome])
            modifiers.listen(target, self._refresh)

    def present(self) -> dict[str, float]:
        """The odds as they are now."""
        table = self.table
        for outcome, modifier in self._active:
            table = moved(table, outcome, modifier, self._kernel.now_us)
        return dict(table)

    def choose(self, entity: Entity, purpose: str) -> tuple[str, str | None]:
        """(outcome, cause): the cause is that of the modifier which made it another outcome, None when none did."""
        chosen = normal = _at(self.table, self._draw(entity, purpose))
        if not self._active:
            return chosen, None
        now_us, cause, table = self._kernel.now_us, None, self.table
        for outcome, modifier in self._active:
            after = moved(table, outcome, modifier, now_us)
            if self._draw(entity, f"{purpose}/keep/{modifier.id}") * table[chosen] >= after[chosen]:
                gains = {name: max(0.0, after[name] - table[name]) for name in table}
                chosen = _at(gains, self._draw(entity, f"{purpose}/move/{modifier.id}"))
                cause = None if chosen == normal else modifier.cause
            table = after
        if cause is not None:
            data = {"purpose": purpose, "normally": normal, "now": chosen}
            self._kernel.truth.note(
                Note(now_us, "changed", entity.id, cause, self._targets.get(chosen, self.name), data)
            )
        return chosen, cause

    def _draw(self, entity: Entity, purpose: str) -> float:
        return self._kernel.streams.draw(entity.id, f"{self.name}/{purpose}")

    def _refresh(self) -> None:
        found = [(outcome, m) for outcome, target in self._targets.items() for m in self._modifiers.on(target)]
        found.sort(key=lambda pair: (pair[1].kind == "override", pair[1].priority, pair[1].started))
        self._active = found


def moved(table: Mapping[str, float], outcome: str, modifier: Modifier, at_us: int) -> dict[str, float]:
    """The odds with one modifier of one outcome on top; they add up to what they added up to."""
    level = modifier.envelope.level(at_us)
    before = table[outcome]
    if modifier.kind == "shift":
        weight = before * math.exp(modifier.amount * level)
        after = weight / (weight + 1.0 - before)
    else:
        after = before + (modifier.amount - before) * level
    if before < 1.0:
        others = (1.0 - after) / (1.0 - before)
        return {name: after if name == outcome else p * others for name, p in table.items()}
    share = (1.0 - after) / max(1, len(table) - 1)  # the others had nothing to keep proportions of
    return {name: after if name == outcome else share for name in table}


def _at(weights: Mapping[str, float], u: float) -> str:
    """The name at which the weights, summed in their order, pass the share `u` of their total."""
    left = u * math.fsum(weights.values())
    for name, weight in weights.items():
        left -= weight
        if left < 0:
            return name
    return max(weights, key=lambda name: weights[name])  # u so close to 1 that rounding ate the rest
