"""Runs scenarios: one active at a time, earlier ones may still settle.

    trigger ──▶ active ──stop, or its duration──▶ settling ──every effect within 5 % of normal──▶ settled
                   └───────────────── reset: everything is normal at once ─────────────────▶ (gone)

A trigger starts the effects, puts the events on the timeline and arms the cascades; a stop lets what has begun settle
and drops what has not. A reset takes all of it back; extra entities under way finish, what is new is baseline.
Commands: scenario.trigger {id}, scenario.stop {}, scenario.reset {}, event.inject {event, effects}.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import ValidationError

from labsvc.errors import Misuse
from labsvc.sim.envelope import Envelope
from labsvc.sim.eventlist import Handle
from labsvc.sim.instant import NEVER_US, us
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifier import Modifier
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.record import Note
from labsvc.sim.scenario import Cascade, Effect, Injected, Scenario
from labsvc.sim.sense import faults, one_of
from labsvc.sim.timeline import EVENT_TYPES, ExternalEvent, Timeline

Phase = Literal["active", "settling", "settled"]


class Refused(Misuse):
    """A command that is right in itself but does not fit what is going on."""


class Activation:
    """One time a scenario was triggered. `id` is `<scenario>.<n>`, and the first part of its modifiers' ids."""

    def __init__(self, id: str, scenario: Scenario, started_us: int, *, injected: bool) -> None:
        self.id = id
        self.scenario = scenario
        self.injected = injected  # a single event of a facilitator, which may stand beside a scenario
        self.started_us = started_us
        self.stop_us = NEVER_US if scenario.duration_s is None else started_us + us(scenario.duration_s)
        self.modifiers: list[Modifier] = []
        self.armed: list[Handle] = []  # the end of its duration, and cascades to come

    @property
    def settled_us(self) -> int:
        """When its last effect is within 5 % of normal; NEVER_US while nobody knows."""
        return max([self.stop_us, *(m.settled_us for m in self.modifiers)])

    def phase(self, now_us: int) -> Phase:
        if now_us < self.stop_us:
            return "active"
        return "settling" if now_us < self.settled_us else "settled"


class Scenarios:
    """The scenarios of a run: what can be triggered, and what was."""

    def __init__(
        self,
        kernel: Kernel,
        modifiers: Modifiers,
        timeline: Timeline,
        catalogue: Mapping[str, Scenario],
        *,
        event_types: tuple[str, ...] = EVENT_TYPES,
    ) -> None:
        self.catalogue = dict(catalogue)
        self.activations: list[Activation] = []  # since the last reset, the oldest first
        self._kernel = kernel
        self._modifiers = modifiers
        self._timeline = timeline
        self._event_types = event_types
        self._counts: dict[str, int] = {}
        self._listeners: list[Callable[[], None]] = []
        kernel.on_command("scenario.trigger", self.trigger)
        kernel.on_command("scenario.stop", self.stop)
        kernel.on_command("scenario.reset", self.reset)
        kernel.on_command("event.inject", self.inject)

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed()` when a scenario changes its phase."""
        self._listeners.append(changed)

    def active(self) -> Activation | None:
        """The one scenario that is active, None when there is none."""
        found = (a for a in self.activations if not a.injected and a.phase(self._kernel.now_us) == "active")
        return next(found, None)

    def present(self) -> dict[str, Any]:
        """What a page shows: every scenario since the last reset with its phase and the states of its effects."""
        now_us = self._kernel.now_us
        return {
            "now_us": now_us,
            "active": None if (active := self.active()) is None else active.scenario.id,
            "activations": [_shown(activation, now_us) for activation in self.activations],
        }

    def trigger(self, id: str) -> dict[str, Any]:
        """Start a scenario now. Raises Misuse for an unknown one, Refused while another is active."""
        if id not in self.catalogue:
            raise Misuse(f"unknown scenario {id!r}, {one_of(id, self.catalogue)}")
        if (active := self.active()) is not None:
            raise Refused(f"scenario {active.scenario.id!r} is active; stop it before {id!r} is triggered")
        activation = self._begin(self.catalogue[id])
        return _shown(activation, self._kernel.now_us)

    def stop(self) -> dict[str, Any]:
        """Let the active scenario settle. Raises Refused when none is active."""
        activation = self.active()
        if activation is None:
            raise Refused("no scenario is active, there is nothing to stop")
        self._end(activation)
        return _shown(activation, self._kernel.now_us)

    def reset(self) -> dict[str, Any]:
        """Make everything normal at once: no modifiers, no events of scenarios, no cascades to come."""
        for activation in self.activations:
            self._disarm(activation)
            for modifier in activation.modifiers:
                if modifier.state(self._kernel.now_us) != "gone":
                    self._modifiers.remove(modifier.id)
            self._timeline.take_back(activation.id)
            self._note(activation, "reset")
        self.activations = []
        self._tell()
        return self.present()

    def inject(self, event: dict[str, Any], effects: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        """Put one event with its own effects into the world now, beside any scenario.

        Both have the form they have in a scenario file; every effect has a duration_s. Raises Misuse with every fault.
        """
        own = [{"id": f"effect-{k}", **effect} for k, effect in enumerate(effects or [], 1)]
        causes = [effect["id"] for effect in own]
        whole = {"id": "event", "causes": causes, "red_herring": not causes, **event}
        raw = {"schema_version": 1, "id": "injected", "title": event.get("title"), "effects": own, "events": [whole]}
        wrong = [words for _, words in faults(raw, self._modifiers, event_types=self._event_types, stem="injected")]
        wrong += [f"effect {e['id']!r} has no duration_s" for e in own if e.get("duration_s") is None]
        try:
            scenario = Scenario.model_validate(raw)
        except ValidationError as error:
            wrong += [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
        if wrong:
            raise Misuse("\n".join(wrong))
        lasts_s = [e.delay_s + (e.duration_s or 0) for e in scenario.effects]
        duration_s = max(0.0, scenario.events[0].at_s) + max(lasts_s, default=1.0)
        lasting = scenario.model_copy(update={"duration_s": duration_s})
        return _shown(self._begin(lasting, injected=True), self._kernel.now_us)

    def _begin(self, scenario: Scenario, *, injected: bool = False) -> Activation:
        now_us = self._kernel.now_us
        self._counts[scenario.id] = n = self._counts.get(scenario.id, 0) + 1
        activation = Activation(f"{scenario.id}.{n}", scenario, now_us, injected=injected)
        self.activations.append(activation)
        if activation.stop_us < NEVER_US:
            activation.armed.append(self._kernel.at(activation.stop_us, self._end, activation))
        caused: dict[str, Injected] = {effect: event for event in scenario.events for effect in event.causes}
        for event in scenario.events:
            self._timeline.add(_on_timeline(activation, event))
        for effect in scenario.effects:
            by = caused.get(effect.id)
            at_us = now_us if by is None else now_us + us(by.at_s)
            self._start(activation, effect, at_us, cause="" if by is None else f"event:{activation.id}/{by.id}")
        self._note(activation, "active")
        return activation

    def _start(self, activation: Activation, effect: Effect, from_us: int, *, cause: str = "") -> None:
        """Put one effect in force and arm the cascades that follow from it; not when it would begin after the end."""
        scenario, start_us = activation.scenario, from_us + us(effect.delay_s)
        stop_us = activation.stop_us
        if effect.duration_s is not None:
            stop_us = min(stop_us, start_us + us(effect.duration_s))
        if start_us >= stop_us:
            return
        onset, settling = effect.onset or scenario.onset, effect.settling or scenario.settling
        envelope = Envelope(start_us, onset, settling, None if stop_us == NEVER_US else stop_us)
        kind, amount = effect.amount
        id = f"{activation.id}/{effect.id}"
        activation.modifiers.append(
            self._modifiers.start(id, effect.target, kind, amount, envelope, priority=effect.priority, cause=cause)
        )
        for cascade in scenario.cascades:
            if cascade.after == effect.id:
                at_us = start_us + us(cascade.delay_s)
                activation.armed.append(self._kernel.at(at_us, self._cascade, (activation, cascade)))

    def _cascade(self, due: tuple[Activation, Cascade]) -> None:
        activation, cascade = due
        now_us = self._kernel.now_us
        if activation.phase(now_us) != "active":
            return
        happens = self._kernel.streams.draw(activation.id, f"cascade/{cascade.id}") < cascade.chance_ratio
        cause = f"modifier:{activation.id}/{cascade.after}"
        id = f"{activation.id}/{cascade.id}"
        self._kernel.truth.note(Note(now_us, "cascade", id, cause, "", {"happens": happens}))
        if happens:
            for effect in cascade.effects:
                self._start(activation, effect, now_us)

    def _end(self, activation: Activation) -> None:
        """Begin to settle: the end of the duration, or a stop."""
        now_us = self._kernel.now_us
        self._disarm(activation)
        activation.stop_us = now_us
        for modifier in list(activation.modifiers):
            match modifier.state(now_us):
                case "pending":
                    self._modifiers.remove(modifier.id)
                    activation.modifiers.remove(modifier)
                case "active":
                    self._modifiers.stop(modifier.id)
        self._timeline.take_back(activation.id, from_us=now_us + 1)
        self._note(activation, "settling")
        activation.armed.append(self._kernel.at(activation.settled_us, self._settle, activation))

    def _settle(self, activation: Activation) -> None:
        self._note(activation, "settled")

    def _disarm(self, activation: Activation) -> None:
        for handle in activation.armed:
            self._kernel.cancel(handle)
        activation.armed = []

    def _note(self, activation: Activation, phase: str) -> None:
        id, now_us = activation.id, self._kernel.now_us
        self._kernel.truth.note(Note(now_us, "scenario", id, "", "", {"phase": phase}))
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


def _on_timeline(activation: Activation, event: Injected) -> ExternalEvent:
    return ExternalEvent(
        id=f"{activation.id}/{event.id}",
        at_us=activation.started_us + us(event.at_s),
        causes=tuple(f"{activation.id}/{effect}" for effect in event.causes),
        belongs_to=activation.id,
        **event.model_dump(exclude={"id", "at_s", "causes", "red_herring"}),
    )


def _shown(activation: Activation, now_us: int) -> dict[str, Any]:
    settled_us = activation.settled_us
    return {
        "id": activation.id,
        "scenario": activation.scenario.id,
        "title": activation.scenario.title,
        "phase": activation.phase(now_us),
        "started_us": activation.started_us,
        "stop_us": None if activation.stop_us == NEVER_US else activation.stop_us,
        "settled_us": None if settled_us == NEVER_US else settled_us,
        "effects": [
            {
                "id": modifier.id,
                "target": modifier.target.name,
                "kind": modifier.kind,
                "amount": modifier.amount,
                "state": modifier.state(now_us),
                "level_ratio": round(modifier.envelope.level(now_us), 4),
            }
            for modifier in activation.modifiers
        ],
    }
