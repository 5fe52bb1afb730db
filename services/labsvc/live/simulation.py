"""REST of the simulation: what runs, what can be triggered, trigger, stop, reset, pace. Paths and names as in 001."""

from typing import Any

from pydantic import Field

from labsvc.errors import Misuse
from labsvc.live.hub import Hub
from labsvc.live.worldhost import Running, Worlds
from labsvc.rest import Call, Endpoint, Model, Refused, Role, Word
from labsvc.workshop.shapes import Shape

PACE_MAX = 3600.0


class Trigger(Model):
    scenario_id: Word = Field(alias="scenarioId")


class WhichWorld(Model):
    world: Word | None = None


class Pace(Model):
    world: Word | None = None
    factor: float = Field(ge=0, le=PACE_MAX, description="simulated seconds in a second; 0 is paused")


class ScenarioShape(Shape):
    id: str
    name: str
    description: str
    duration: str
    world: str


class Scenarios(Shape):
    scenarios: list[ScenarioShape]


class State(Shape):
    worlds: list[dict[str, Any]]
    hub: dict[str, int]


class Told(Shape):
    """What became of a command."""

    success: bool
    world: str
    told: dict[str, Any]


class Activated(Shape):
    success: bool
    scenario: ScenarioShape
    status: str


def endpoints(worlds: Worlds, hub: Hub) -> list[Endpoint]:
    """All of them."""

    async def state(_: Call) -> State:
        return State(worlds=[each.state() for each in worlds.running], hub=hub.figures())

    async def scenarios(_: Call) -> Scenarios:
        return Scenarios(scenarios=_cards(worlds))

    async def trigger(call: Call) -> Activated:
        wanted = call.body.scenario_id
        try:
            status = worlds.trigger(wanted)
        except Misuse as error:
            raise Refused(409, str(error)) from error
        card = next(card for card in _cards(worlds) if card.id == wanted)
        return Activated(success=True, scenario=card, status=status)

    async def stop(call: Call) -> Told:
        return _commanded(_one(worlds, call.body.world), "stop")

    async def reset(call: Call) -> Told:
        return _commanded(_one(worlds, call.body.world), "reset")

    async def pace(call: Call) -> Told:
        return _commanded(_one(worlds, call.body.world), "pace", factor=call.body.factor)

    f: Role = "facilitator"
    base = "/api/simulation"
    return [
        Endpoint("GET", f"{base}/state", "What runs", state, State),
        Endpoint("GET", f"{base}/scenarios", "What can be triggered", scenarios, Scenarios),
        Endpoint("POST", f"{base}/scenario", "Trigger a scenario", trigger, Activated, role=f).taking(Trigger),
        Endpoint("POST", f"{base}/stop", "Let the scenario settle", stop, Told, role=f).taking(WhichWorld),
        Endpoint("POST", f"{base}/reset", "Back to normal at once", reset, Told, role=f).taking(WhichWorld),
        Endpoint("POST", f"{base}/pace", "Set the pace", pace, Told, role=f).taking(Pace),
    ]


def _cards(worlds: Worlds) -> list[ScenarioShape]:
    return [ScenarioShape(**vars(card), world=name) for name, card in worlds.scenarios()]


def _one(worlds: Worlds, name: str | None) -> Running:
    try:
        return worlds.one(name)
    except Misuse as error:
        raise Refused(409, str(error)) from error


def _commanded(running: Running, name: str, **arguments: Any) -> Told:
    try:
        told = running.command(name, **arguments)
    except Misuse as error:
        raise Refused(409, str(error)) from error
    return Told(success=True, world=running.kind.name, told=dict(told))
