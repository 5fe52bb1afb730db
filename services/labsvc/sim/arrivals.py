"""Sources: entities that arrive by an inhomogeneous Poisson process, and what modifiers do to it.

    baseline at rate(t) ──thinned by decreases──┐
    one extra process per increase ──thinned────┴─▶ to(entity)

The baseline never knows of modifiers: it draws from its own stream, so its arrivals are the same with and without
them. An increase superposes extra arrivals from a stream of that modifier; a decrease lets each arrival live or not
by a number of that arrival's own. The sum is exactly Poisson with the modified rate, and every arrival has a cause.
Thinning is exact by bounds that hold between knots; a process whose bound changes starts anew from that instant,
which for Poisson changes nothing.
"""

import math
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from labsvc.sim.entity import BASELINE, Entity, Origin
from labsvc.sim.eventlist import Handle
from labsvc.sim.instant import HOUR_US, NEVER_US
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifier import Modifier
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.rate import Rate
from labsvc.sim.record import Note
from labsvc.sim.streams import exponential_us

_PATIENCE = 64  # candidates or empty segments before a search pauses, so that one event never takes long
_SEGMENT_US = HOUR_US // 4  # longest segment of a modifier's curve: keeps its bound close
_REFRESH = -9  # priority of a refresh: after changes of state (-10), before all else of the instant

PerHour = Callable[[int], float]  # instant → rate
Bound = Callable[[int], tuple[float, int]]  # instant → highest rate from there on, instant until which that holds


class Source:
    """A named stream of arrivals. Its rate is a target of modifiers under its name.

    `to(entity)` receives each arrival at its instant; `make` is what arrivals are (`queueing.Visit`, say).
    """

    def __init__(
        self,
        kernel: Kernel,
        modifiers: Modifiers,
        name: str,
        rate: Rate,
        to: Callable[[Any], object],
        *,
        make: type[Entity] = Entity,
    ) -> None:
        self.name = name
        self.rate = rate
        self.to = to
        self.make = make
        self.active: tuple[Modifier, ...] = ()
        self.kernel = kernel
        self._modifiers = modifiers
        self._extras: dict[str, tuple[tuple[object, ...], _Process]] = {}  # by modifier: what it depends on
        modifiers.declare(name, "rate", normal=rate.per_hour)
        modifiers.listen(name, self._refresh_soon)
        self._baseline = _Process(self, Origin(name), kernel.streams.stream(name, "arrivals"))
        self._baseline.begin(self.rate.at, self.rate.bound, steady_per_hour=0 if rate.factors else rate.per_hour)

    @property
    def arrived(self) -> int:
        """Baseline arrivals so far, those that a modifier took away included."""
        return self._baseline.n

    def set_rate(self, rate: Rate) -> None:
        """Another baseline rate from now on."""
        self.rate = rate
        self._modifiers.retarget(self.name, normal=rate.per_hour)
        self.kernel.at(self.kernel.now_us, self._restart, None, _REFRESH)

    def present(self) -> dict[str, float]:
        """Every factor of the rate now, what each modifier adds or takes per hour by its id, and `per_hour`."""
        now_us = self.kernel.now_us
        parts, value = self.rate.parts(now_us), self.rate.at(now_us)
        for modifier in self._modifiers.on(self.name):
            before, value = value, max(0.0, modifier.apply(value, now_us))
            parts[modifier.id] = value - before
        return {**parts, "per_hour": value}

    def lives(self, entity: Entity, passed: int) -> bool:
        """Whether an arrival gets past the decreases among the modifiers from index `passed` on."""
        now_us = self.kernel.now_us
        value = self.rate.at(now_us)
        for index, modifier in enumerate(self.active):
            before, value = value, max(0.0, modifier.apply(value, now_us))
            if index < passed or value >= before:
                continue
            if self.kernel.streams.draw(entity.id, f"keep/{modifier.id}") * before >= value:
                self.kernel.truth.note(Note(now_us, "removed", entity.id, modifier.cause, self.name, {}))
                return False
        return True

    def _refresh_soon(self) -> None:
        # As an event, because a handler of this source's own arrival may be what starts a modifier.
        self.kernel.at(self.kernel.now_us, self._refresh, None, _REFRESH)

    def _refresh(self, _: None) -> None:
        """Bring the extra processes in line with the modifiers; those that depend on nothing new run on."""
        self.active = self._modifiers.on(self.name)
        kept, self._extras = self._extras, {}
        depends: tuple[object, ...] = ()
        for index, modifier in enumerate(self.active):
            depends = (*depends, modifier.id, modifier.envelope)
            if not modifier.adds:
                continue
            found = kept.pop(modifier.id) if modifier.id in kept else None
            process = self._extra(modifier) if found is None else found[1]
            process.passed = index + 1
            if found is None or found[0] != depends:
                process.begin(partial(self._increase, modifier), partial(self._most, modifier))
            self._extras[modifier.id] = (depends, process)
        for left in kept.values():
            left[1].end()

    def _extra(self, modifier: Modifier) -> "_Process":
        random = self.kernel.streams.stream(self.name, f"extra/{modifier.id}")
        return _Process(self, Origin(f"{self.name}+{modifier.id}", modifier.cause), random)

    def _restart(self, _: None) -> None:
        steady_per_hour = 0 if self.rate.factors else self.rate.per_hour
        self._baseline.begin(self.rate.at, self.rate.bound, steady_per_hour=steady_per_hour)
        for _depends, process in self._extras.values():
            process.begin(process.rate, process.bound)

    def _increase(self, modifier: Modifier, at_us: int) -> float:
        """What a modifier adds per hour to all that comes before it."""
        value = self.rate.at(at_us)
        for other in self.active[: self.active.index(modifier)]:
            value = max(0.0, other.apply(value, at_us))
        return max(0.0, modifier.apply(value, at_us) - value)

    def _most(self, modifier: Modifier, at_us: int) -> tuple[float, int]:
        """A bound of `_increase` and the instant until which it holds."""
        chain = self.active[: self.active.index(modifier) + 1]
        most, until_us = self.rate.bound(at_us)
        until_us = min(until_us, at_us + _SEGMENT_US, *(m.envelope.next_knot_us(at_us) for m in chain))
        added = 0.0
        for other in chain:
            most += added
            added = other.most_added(most, at_us, until_us)
        return added, until_us


class _Process:
    """One Poisson process of a source: the baseline, or the extra arrivals of one modifier."""

    def __init__(self, source: Source, origin: Origin, random: Random) -> None:
        self.n = 0
        self.passed = 0  # index of the first modifier that its arrivals have yet to get past
        self.rate: PerHour
        self.bound: Bound
        self._source = source
        self._kernel = source.kernel
        self._make = source.make
        self._origin = origin
        self._random = random
        self._timer: Handle | None = None
        self._gap: Callable[[], int]

    def begin(self, rate: PerHour, bound: Bound, *, steady_per_hour: float = 0) -> None:
        """Forget what was drawn ahead and go on from now; `steady_per_hour` when the rate never changes."""
        self.end()
        self.rate, self.bound = rate, bound
        self._most, self._until_us, self._hit = 0.0, self._kernel.now_us, False
        if steady_per_hour > 0:
            self._gap = exponential_us(self._random, HOUR_US / steady_per_hour)
            self._timer = self._kernel.after(self._gap(), self._steady)
            return
        next_us = self._next_us(self._kernel.now_us)
        if next_us is not None:
            self._timer = self._kernel.at(next_us, self._varying, None)

    def end(self) -> None:
        if self._timer is not None:
            self._kernel.cancel(self._timer)
            self._timer = None

    def _steady(self, _: None) -> int:
        source = self._source
        self.n = n = self.n + 1
        entity = self._make()
        entity.origin = self._origin
        entity.n = n
        if not source.active or source.lives(entity, 0):
            source.to(entity)
        return self._kernel.now_us + self._gap()

    def _varying(self, _: None) -> int | None:
        if self._hit:
            self._arrive()
        return self._next_us(self._kernel.now_us)

    def _arrive(self) -> None:
        source = self._source
        self.n = n = self.n + 1
        entity = self._make()
        entity.origin = self._origin
        entity.n = n
        if source.active:
            if not source.lives(entity, self.passed):
                return
            if self._origin.cause != BASELINE:
                self._kernel.truth.added(self._origin.cause, source.name)
        source.to(entity)

    def _next_us(self, at_us: int) -> int | None:
        """The next arrival (`_hit`), or the instant to search on from; None when there will be none."""
        log, random = math.log, self._random.random
        self._hit = False
        for _ in range(_PATIENCE):
            if at_us >= self._until_us:
                self._most, self._until_us = self.bound(at_us)
            if self._most > 0:
                at_us += int(-log(1.0 - random()) * HOUR_US / self._most)
            if self._most <= 0 or at_us >= self._until_us:
                at_us = self._until_us
                if at_us >= NEVER_US:
                    return None
            elif random() * self._most < self.rate(at_us):
                self._hit = True
                return at_us
        return at_us
