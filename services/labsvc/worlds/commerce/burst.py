"""Bursts: a handful of things in quick succession, as a target that scenarios set.

scenario ──override: 5──▶ burst.<name> ──▶ 3 to 5 entities, one after the other, with the scenario as their cause

A rate would give five on average; a burst gives three to five for sure.
"""

from collections.abc import Callable

from labsvc.sim.delay import Delay
from labsvc.sim.entity import Entity, Origin, entity
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifier import Modifier
from labsvc.sim.modifiers import Modifiers

LEAST_RATIO = 0.6  # of the amount: of five at least three, as the source draws it


class Burst:
    """A target of kind value, normally 0; its amount is how many there are at most."""

    def __init__(
        self, kernel: Kernel, modifiers: Modifiers, name: str, gap: Delay, act: Callable[[Entity], None]
    ) -> None:
        self.name = name
        self._kernel = kernel
        self._modifiers = modifiers
        self._gap = gap
        self._act = act
        self._begun: set[str] = set()
        modifiers.declare(name, "value", normal=0)
        modifiers.listen(name, self._look)

    def _look(self) -> None:
        for modifier in self._modifiers.on(self.name):
            if modifier.id not in self._begun and modifier.state(self._kernel.now_us) == "active":
                self._begun.add(modifier.id)
                self._begin(modifier)

    def _begin(self, modifier: Modifier) -> None:
        most = max(1, round(modifier.amount))
        least = max(1, round(most * LEAST_RATIO))
        draw = self._kernel.streams.draw
        count = least + int(draw(modifier.id, "how many") * (most - least + 1))
        origin, at_us = Origin(f"{self.name}+{modifier.id}", modifier.cause), self._kernel.now_us
        for n in range(1, count + 1):
            made = entity(origin, n)
            self._kernel.at(at_us, self._happen, (modifier, made))
            at_us += self._gap.at(draw(made.id, "gap"))

    def _happen(self, due: tuple[Modifier, Entity]) -> None:
        modifier, made = due
        if modifier in self._modifiers.on(self.name) and modifier.state(self._kernel.now_us) == "active":
            self._act(made)
