"""Chains: what becomes of an entity, as data. Every step has one record; delays and odds lie between steps.

    requested ─┬─ 0.75 ─▶ confirmed ── 0.5 ─▶ rated          one_of: exactly one outcome, or none if it says so
               ├─ 0.15 ─▶ declined                           also:   each by its own probability, besides
               └─ 0.10 ─▶ expired                            delay:  before the step happens

A step may stand in a station's queue first (`visit`): it happens when the service ends, and `reneged` names the step
that happens to it instead when it gives up or is turned away. Which way an entity goes is decided by its own
numbers, so extra arrivals never change the fate of others. Nothing is orphaned: a child carries its parent's id, and
`entered = ended + left + pending` holds for every step.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from labsvc.errors import Misuse
from labsvc.sim.delay import Delay
from labsvc.sim.entity import Entity, child
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.odds import Odds
from labsvc.sim.queueing import Station
from labsvc.sim.value import Value
from labsvc.sim.visit import Visit, visit

NOTHING = "nothing"  # in one_of: the share of entities that end here

Describe = Callable[[str, Entity, Mapping[str, Any]], Mapping[str, Any]]  # step, who, parent's data → data


class Queued(BaseModel):
    """The queue a step goes through."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    station: str
    service: Delay
    patience: Delay | None = None
    wrap: Delay | None = None
    priority: int = 0
    queue: str = ""
    reneged: str | None = None  # the step that happens when the entity gives up, or is turned away


class Step(BaseModel):
    """One thing that happens to an entity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stream: str  # where its record goes
    delay: Delay = Delay(kind="constant", seconds=0)
    visit: Queued | None = None
    one_of: dict[str, float] = Field(default_factory=dict)
    also: dict[str, float] = Field(default_factory=dict)


class Chain:
    """Runs entities through `steps`, from `first` on.

    Targets: `<chain>.<step>.<outcome>` (odds, for one_of and also) and `<chain>.<step>.delay` (a value, normally 1:
    what delays are multiplied by). `describe(step, entity, parent's data)` makes a record's data; without it a child
    repeats its parent's. Raises Misuse naming every fault of the steps.
    """

    def __init__(
        self,
        kernel: Kernel,
        modifiers: Modifiers,
        name: str,
        steps: Mapping[str, Step],
        *,
        first: str,
        stations: Mapping[str, Station] | None = None,
        describe: Describe | None = None,
    ) -> None:
        self.name = name
        self.entered: Counter[str] = Counter()  # step → entities on their way to it or past it
        self.ended: Counter[str] = Counter()  # step → records
        self.left: Counter[str] = Counter()  # step → entities that left its queue without being served
        self._kernel = kernel
        self._steps = dict(steps)
        self._first = first
        self._stations = dict(stations or {})
        self._describe = describe or (lambda step, entity, data: data)
        if found := faults(self._steps, first, known_stations=set(self._stations)):
            raise Misuse(f"chain {name!r}: " + "; ".join(found))
        self._one_of: dict[str, Odds] = {}
        self._also: dict[str, list[tuple[str, Odds]]] = {}
        self._stretch: dict[str, Value] = {}
        for step, spec in self._steps.items():
            self._declare(modifiers, step, spec)

    def enter(self, entity: Entity, data: Mapping[str, Any] | None = None) -> None:
        """Send an entity on its way; the first step's record has the entity's own id."""
        self._go(self._first, entity, data or {})

    def pending(self, step: str) -> int:
        """How many entities are on their way to a step: delayed, waiting or in service."""
        return self.entered[step] - self.ended[step] - self.left[step]

    def _declare(self, modifiers: Modifiers, step: str, spec: Step) -> None:
        prefix = f"{self.name}.{step}"
        if spec.one_of:
            self._one_of[step] = Odds(self._kernel, modifiers, prefix, spec.one_of)
        self._also[step] = [
            (other, Odds(self._kernel, modifiers, f"{prefix}.{other}", {"yes": p, "no": 1 - p}, targets=target))
            for other, p in spec.also.items()
            for target in ({"yes": f"{prefix}.{other}"},)
        ]
        self._stretch[step] = Value(self._kernel, modifiers, f"{prefix}.delay", 1.0)

    def _go(self, step: str, entity: Entity, data: Mapping[str, Any]) -> None:
        self.entered[step] += 1
        spec = self._steps[step]
        delay_us = spec.delay.at(self._kernel.streams.draw(entity.id, f"{step}/delay"))
        if delay_us:
            delay_us = round(delay_us * max(0.0, self._stretch[step].present()))
            self._kernel.after(delay_us, self._arrive, (step, entity, data))
        else:
            self._arrive((step, entity, data))

    def _arrive(self, going: tuple[str, Entity, Mapping[str, Any]]) -> None:
        step, entity, data = going
        queued = self._steps[step].visit
        if queued is None:
            self._happen(step, entity, data)
            return

        def times(what: str, delay: Delay | None) -> int | None:
            return None if delay is None else delay.at(self._kernel.streams.draw(entity.id, f"{step}/{what}"))

        self._stations[queued.station].admit(
            visit(entity),
            times("service", queued.service) or 0,
            wrap_us=times("wrap", queued.wrap) or 0,
            patience_us=times("patience", queued.patience),
            priority=queued.priority,
            queue=queued.queue,
            then=lambda left: self._left(step, entity, data, left),
        )

    def _left(self, step: str, entity: Entity, data: Mapping[str, Any], left: Visit) -> None:
        if left.outcome == "served":
            self._happen(step, entity, data)
            return
        self.left[step] += 1
        queued = self._steps[step].visit
        if queued is not None and queued.reneged is not None:
            self._go(queued.reneged, entity, data)

    def _happen(self, step: str, entity: Entity, data: Mapping[str, Any]) -> None:
        self.ended[step] += 1
        spec = self._steps[step]
        data = self._describe(step, entity, data)
        self._kernel.emit(spec.stream, entity, data)
        if step in self._one_of:
            outcome, cause = self._one_of[step].choose(entity, "outcome")
            if outcome != NOTHING:
                self._go(outcome, child(entity, outcome, cause=cause), data)
        for other, odds in self._also[step]:
            outcome, cause = odds.choose(entity, "also")
            if outcome == "yes":
                self._go(other, child(entity, other, cause=cause), data)


def faults(steps: Mapping[str, Step], first: str, *, known_stations: set[str]) -> list[str]:
    """Everything that is wrong with the steps of a chain, in words; empty when nothing is."""
    found = []
    if first not in steps:
        found.append(f"the first step {first!r} is not one of: {', '.join(sorted(steps))}")
    for name, step in steps.items():
        for other in _next_steps(step):
            if other not in steps:
                found.append(f"step {name!r} leads to {other!r}, which is not one of: {', '.join(sorted(steps))}")
        if step.one_of and abs(sum(step.one_of.values()) - 1) > 1e-9:
            total = sum(step.one_of.values())
            found.append(f"one_of of step {name!r} adds up to {total:g}, expected 1 ({NOTHING!r} may take the rest)")
        found += [f"step {name!r} has {other!r} in one_of and in also" for other in step.one_of if other in step.also]
        for other, p in {**step.one_of, **step.also}.items():
            if not 0 <= p <= 1:
                found.append(f"step {name!r} leads to {other!r} with probability {p:g}, expected 0 to 1")
        if step.visit is not None and step.visit.station not in known_stations:
            known = ", ".join(sorted(known_stations)) or "(none)"
            found.append(f"step {name!r} waits at station {step.visit.station!r}, expected one of: {known}")
    reached = _reached(steps, first)
    found += [f"step {name!r} is never reached from {first!r}" for name in steps if name not in reached]
    if endless := _endless(steps):
        found.append(f"steps {' → '.join(endless)} go round for ever: each leads to the next with probability 1")
    return found


def _next_steps(step: Step) -> list[str]:
    named = [*step.one_of, *step.also, *([step.visit.reneged] if step.visit and step.visit.reneged else [])]
    return [name for name in named if name != NOTHING]


def _reached(steps: Mapping[str, Step], first: str) -> set[str]:
    reached: set[str] = set()
    todo = [first]
    while todo:
        name = todo.pop()
        if name in steps and name not in reached:
            reached.add(name)
            todo += _next_steps(steps[name])
    return reached


def _endless(steps: Mapping[str, Step]) -> list[str]:
    """A round of steps without a way out, [] when there is none. Every step has at most a few certain successors."""
    certain = {
        name: [other for other, p in {**step.one_of, **step.also}.items() if p >= 1 and other in steps]
        for name, step in steps.items()
    }

    def walk(path: list[str]) -> list[str]:
        for other in certain[path[-1]]:
            if other in path:
                return [*path[path.index(other) :], other]
            if deeper := walk([*path, other]):
                return deeper
        return []

    return next((loop for name in steps if (loop := walk([name]))), [])
