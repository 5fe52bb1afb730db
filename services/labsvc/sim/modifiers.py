"""What is different from normal just now: modifiers on named targets, their states, and how they combine.

    normal ─▶ multipliers ─▶ additives ─▶ overrides ─▶ present value

Order: multipliers multiply each other (in order of their start, which cannot matter), additives add to that, and
overrides come last, the highest priority on top; of equal priority the youngest. An override at level w blends:
(1 - w) × what lies under it + w × its value. Odds have shifts (in log-odds) instead, then overrides. Two live
modifiers on one target are noted as a warning that says how they combine.
"""

from collections.abc import Callable
from typing import Any

from labsvc.errors import Misuse
from labsvc.sim.envelope import Envelope
from labsvc.sim.instant import NEVER_US
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifier import ALLOWED, Kind, Modifier, State, Target, TargetKind
from labsvc.sim.record import Note

_RANK: dict[Kind, int] = {"shift": 0, "multiplier": 0, "additive": 1, "override": 2}
_FIRST = -10  # priority of a change of state: everything else of its instant sees the new state


class Modifiers:
    """All targets and all live modifiers of a run."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._started = 0
        self._live: dict[str, Modifier] = {}
        self._by_target: dict[str, tuple[Modifier, ...]] = {}
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self.targets: dict[str, Target] = {}

    def declare(self, name: str, kind: TargetKind, *, normal: float) -> Target:
        """Make a target known. Raises Misuse when the name is taken."""
        if name in self.targets:
            raise Misuse(f"target {name!r} is declared already")
        self.targets[name] = Target(name, kind, normal)
        return self.targets[name]

    def retarget(self, name: str, *, normal: float) -> None:
        """Another normal for a target; modifiers in force keep the one they started with."""
        self.targets[name] = self.targets[name]._replace(normal=normal)

    def listen(self, target: str, listener: Callable[[], None]) -> None:
        """Call `listener()` when a modifier of `target` starts, changes its state or goes."""
        self._listeners.setdefault(target, []).append(listener)

    def on(self, target: str) -> tuple[Modifier, ...]:
        """The live modifiers of a target in the order in which they combine."""
        return self._by_target.get(target, ())

    def live(self) -> list[Modifier]:
        """All modifiers that are not gone, the oldest first."""
        return list(self._live.values())

    def value(self, target: str, normal: float) -> float:
        """The present value of a rate or a value whose normal is `normal` now."""
        for modifier in self.on(target):
            normal = modifier.apply(normal, self._kernel.now_us)
        return normal

    def start(
        self,
        id: str,
        target: str,
        kind: Kind,
        amount: float,
        envelope: Envelope,
        *,
        priority: int = 0,
        cause: str = "",
    ) -> Modifier:
        """Put a modifier in force; a start in the future is pending until then.

        `cause` is what its events will carry, `modifier:<id>` unless given. Raises Misuse for an unknown target, a
        kind that does not fit it, a value that makes no sense, or an id in use.
        """
        if fault := self.fault(target, kind, amount):
            raise Misuse(fault)
        if id in self._live:
            raise Misuse(f"modifier {id!r} is in force already")
        modifier = Modifier(
            id, self.targets[target], kind, amount, envelope, priority=priority, cause=cause or f"modifier:{id}"
        )
        self._started += 1
        modifier.started = self._started
        self._warn(modifier)
        self._live[id] = modifier
        self._changed(modifier)
        self._follow(modifier)
        return modifier

    def stop(self, id: str) -> Modifier:
        """Let a modifier settle from now on; does nothing to one that already settles."""
        modifier = self._live[id]
        stop_us = modifier.envelope.stop_us
        if stop_us is None or stop_us > self._kernel.now_us:
            modifier.envelope = modifier.envelope.stopped(self._kernel.now_us)
            modifier.reach()
            self._changed(modifier)
            self._follow(modifier)
        return modifier

    def remove(self, id: str) -> None:
        """Take a modifier out of force at once, without settling."""
        modifier = self._live.pop(id)
        self._changed(modifier, state="gone")

    def fault(self, target: str, kind: Kind, amount: float) -> str:
        """Why a modifier would make no sense, in words; "" when it does."""
        if target not in self.targets:
            return f"unknown target {target!r}, expected one of: {', '.join(sorted(self.targets))}"
        found = self.targets[target]
        if kind not in ALLOWED[found.kind]:
            return (
                f"a {kind} does not fit {target!r}, which is {found.kind}: expected {' or '.join(ALLOWED[found.kind])}"
            )
        if found.kind == "odds" and kind == "override" and not 0 <= amount <= 1:
            return f"an override of {target!r} is a probability, expected 0 to 1, got {amount:g}"
        if kind == "multiplier" and amount < 0:
            return f"a multiplier is not negative, got {amount:g}"
        if found.kind == "rate" and kind == "override" and amount < 0:
            return f"a rate is not negative, got {amount:g}"
        return ""

    def _follow(self, modifier: Modifier) -> None:
        """Be there at its next change of state."""
        next_us = modifier.next_change_us(self._kernel.now_us)
        if next_us < NEVER_US:
            self._kernel.at(next_us, self._turn, (modifier, modifier.envelope), _FIRST)

    def _turn(self, due: tuple[Modifier, Envelope]) -> None:
        modifier, envelope = due
        if modifier.envelope is not envelope or self._live.get(modifier.id) is not modifier:
            return  # stopped or removed meanwhile
        if modifier.state(self._kernel.now_us) == "gone":
            del self._live[modifier.id]
        self._changed(modifier)
        self._follow(modifier)

    def _changed(self, modifier: Modifier, *, state: State | None = None) -> None:
        now_us, name = self._kernel.now_us, modifier.target.name
        found = [m for m in self._live.values() if m.target.name == name]
        found.sort(key=lambda m: (_RANK[m.kind], m.priority if m.kind == "override" else 0, m.started))
        self._by_target[name] = tuple(found)
        data: dict[str, Any] = {
            "state": state or modifier.state(now_us),
            "kind": modifier.kind,
            "amount": modifier.amount,
            "start_us": modifier.envelope.start_us,
            "peak_us": modifier.envelope.peak_us,
            "stop_us": modifier.envelope.stop_us,
            "settled_us": None if modifier.settled_us == NEVER_US else modifier.settled_us,
        }
        self._kernel.truth.note(Note(now_us, "modifier", modifier.id, modifier.cause, name, data))
        for listener in self._listeners.get(name, ()):
            listener()

    def _warn(self, modifier: Modifier) -> None:
        for other in self.on(modifier.target.name):
            kinds = {modifier.kind, other.kind}
            if kinds == {"override"}:
                over = modifier if modifier.priority >= other.priority else other
                how = f"both override; {over.id} goes on top (priority {over.priority})"
            elif "override" in kinds:
                over = modifier if modifier.kind == "override" else other
                how = f"{over.id} overrides the other"
            else:
                how = "both apply: multipliers multiply, then additives add" if "shift" not in kinds else "shifts add"
            data = {"with": other.id, "how": how}
            now_us, name = self._kernel.now_us, modifier.target.name
            self._kernel.truth.note(Note(now_us, "warning", modifier.id, modifier.cause, name, data))
