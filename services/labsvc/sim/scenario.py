"""World scenarios: named changes of business conditions, read from YAML and checked before anything runs.

    <world>/scenarios/<id>.yaml ──▶ shape (here) + sense (`sense.py`) ──▶ Scenario
                                          └── all faults of all files at once, each with file:line

An effect starts `delay_s` after the trigger, or after the event that causes it; a cascade starts its effects some time
after another effect began. How they come and go is the scenario's onset and settling unless they have their own.
README.md has the whole form with an example. `lifecycle.py` runs what is read here.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labsvc.errors import Misuse
from labsvc.sim.envelope import Curve
from labsvc.sim.modifier import Kind
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.sense import KINDS, faults, one_of
from labsvc.sim.timeline import EVENT_TYPES, Expected
from labsvc.sim.yamlfile import YamlFile

_ID = r"^[a-z][a-z0-9-]*$"


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Effect(Model):
    """One modifier to be. Exactly one of the four amounts is given."""

    id: str = Field(pattern=_ID)
    target: str
    multiplier: float | None = None
    additive: float | None = None  # per hour for rates, else in the target's unit
    override: float | None = None
    shift: float | None = None  # of log-odds: 0.69 doubles the odds
    priority: int = 0  # of an override over another
    delay_s: float = Field(default=0, ge=0)
    duration_s: float | None = Field(default=None, gt=0)  # None: as long as the scenario
    onset: Curve | None = None
    settling: Curve | None = None

    @property
    def amount(self) -> tuple[Kind, float]:
        """What kind of modifier it is, and how much."""
        return next((kind, value) for kind in KINDS if (value := getattr(self, kind)) is not None)


class Cascade(Model):
    """Effects that follow from an effect, by chance or for certain."""

    id: str = Field(pattern=_ID)
    after: str  # id of the effect that leads to it, of the scenario or of another cascade
    delay_s: float = Field(ge=0)
    chance_ratio: float = Field(default=1, ge=0, le=1)
    effects: tuple[Effect, ...] = Field(min_length=1)


class Injected(Model):
    """An external event that comes with the scenario. A red herring causes nothing and says so here."""

    id: str = Field(pattern=_ID)
    at_s: float = 0  # from the trigger; negative: it was in the news before
    type: str
    title: str
    description: str = ""
    severity: Literal["info", "warning", "critical"] = "info"
    icon: str = ""
    link: str = ""
    expected: Expected
    causes: tuple[str, ...] = ()  # ids of effects
    red_herring: bool = False


class Scenario(Model):
    """One file. Without `duration_s` it lasts until it is stopped."""

    schema_version: Literal[1]
    id: str = Field(pattern=_ID)
    title: str
    description: str = ""
    duration_s: float | None = Field(default=None, gt=0)
    onset: Curve = Curve()
    settling: Curve = Curve()
    effects: tuple[Effect, ...] = ()
    cascades: tuple[Cascade, ...] = ()
    events: tuple[Injected, ...] = ()


_FORMS: dict[tuple[str, ...], type[BaseModel]] = {
    (): Scenario,
    ("effects",): Effect,
    ("cascades",): Cascade,
    ("cascades", "effects"): Effect,
    ("events",): Injected,
    ("events", "expected"): Expected,
}


def load(folder: Path, modifiers: Modifiers, *, event_types: Iterable[str] = EVENT_TYPES) -> dict[str, Scenario]:
    """All scenarios of a world by id. Raises Misuse with one `file:line: what` per fault of any file."""
    found, told = {}, []
    for path in sorted(folder.glob("*.yaml")):
        file = YamlFile(path)
        scenario, wrong = check(file, modifiers, event_types=tuple(event_types))
        told += [file.told(line, words) for line, words in sorted({*wrong})]
        if scenario is not None:
            found[scenario.id] = scenario
    if told:
        raise Misuse("\n".join(told))
    return found


def check(
    file: YamlFile, modifiers: Modifiers, *, event_types: tuple[str, ...]
) -> tuple[Scenario | None, list[tuple[int, str]]]:
    """(scenario, faults as (line, words)); the scenario is None when there are faults."""
    found = list(file.faults)
    if file.raw is None:
        return None, found or [(1, "the file is empty")]
    scenario = None
    try:
        scenario = Scenario.model_validate(file.raw)
    except ValidationError as error:
        found += [(file.line(e["loc"]), _told(e)) for e in error.errors()]
    if isinstance(file.raw, dict):
        sense = faults(file.raw, modifiers, event_types=event_types, stem=file.path.stem)
        found += [(file.line(loc), words) for loc, words in sense]
    return (None if found else scenario), found


def _told(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "the file"
    if error["type"] == "extra_forbidden":
        path = tuple(part for part in error["loc"][:-1] if isinstance(part, str))
        form = Curve if path and path[-1] in ("onset", "settling") else _FORMS.get(path)
        allowed = form.model_fields if form else ()
        return f"unknown key {where}, {one_of(error['loc'][-1], allowed)}"
    given = "" if error["type"] in ("missing", "value_error") else f" (got {error['input']!r})"
    return f"{where}: {error['msg']}{given}"
