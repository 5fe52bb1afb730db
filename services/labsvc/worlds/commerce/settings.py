"""`settings.yaml` as checked, frozen objects. The source's names are the aliases; attributes are ours.

Reads one file and knows nothing else; `business.py` and `living.py` act on it.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal

from labsvc.errors import Misuse
from labsvc.sim.delay import Delay
from labsvc.sim.shifts import Shift
from labsvc.sim.yamlfile import YamlFile

FILE = Path(__file__).with_name("settings.yaml")

Season = Literal["winter", "spring", "summer", "autumn"]
Ratio = Annotated[float, Field(ge=0, le=1)]
F = TypeVar("F", bound=BaseModel)


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("a duration above zero is expected, such as PT3M")
    return value


Duration = Annotated[timedelta, AfterValidator(_positive)]


class Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_pascal, populate_by_name=True)


class Mode(Form):
    order_generation_interval: Duration
    support_ticket_rate: Ratio
    fast_track_enabled: bool


class BySize(Form):
    small: Duration
    large: Duration


class ParticipantScaling(Form):
    participant_capacity: int
    large_group_above: int
    order_interval: BySize
    ticket_interval: BySize


class TicketQueue(Form):
    min_active_tickets: int
    max_active_tickets: int
    active_per_participant: float
    stagger_min: Duration
    stagger_max: Duration


class WarrantyDepartment(Form):
    enabled: bool
    ticket_probability: Ratio
    response_time_target_hours: float = Field(gt=0)
    escalation_threshold_hours: float = Field(gt=0)
    min_days_since_delivery: int = Field(ge=0)
    max_days_since_delivery: int = Field(ge=1)
    share_of_queue: Ratio


class ScenarioRules(Form):
    predefined_scenarios: tuple[str, ...]
    auto_trigger_enabled: Literal[False]  # nothing here triggers by itself
    facilitator_control_enabled: Literal[True]


class Simulator(Form):
    """What the source names."""

    workshop_mode: Mode
    participant_scaling: ParticipantScaling
    normal_mode: Mode
    ticket_queue: TicketQueue
    warranty_department: WarrantyDepartment
    scenarios: ScenarioRules


class Paces(Form):
    normal: float = Field(gt=0)
    workshop: float = Field(gt=0)
    scenario: float = Field(gt=0)


class Fulfilment(BaseModel):
    """How long each step takes, from the one before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confirmed: Delay
    in_production: Delay
    shipped: Delay
    delivered: Delay
    feedback: Delay
    complaint: Delay


class Tracks(BaseModel):
    """The ways that an order can go."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    homes: Fulfilment
    packages: Fulfilment
    fast: Fulfilment


class Numbers(Form):
    """What is ours."""

    history_days: int = Field(ge=0)
    pace: Paces
    cancelled_ratio: Ratio
    feedback_ratio: Ratio
    returning_ratio: Ratio
    package_ratio: Ratio
    visits_per_order: float = Field(ge=0)
    staff: tuple[Shift, ...]
    staff_takes: Delay
    staff_escalates: Ratio
    day_curve: tuple[tuple[float, float], ...] = Field(min_length=2)
    week_curve: tuple[float, float, float, float, float, float, float]
    seasons: dict[Season, float]
    fulfilment: Tracks


class Settings(Form):
    """The whole file."""

    business_simulator: Simulator
    business: Numbers


def read(path: Path = FILE) -> Settings:
    """The settings of a file. Raises Misuse with one `file:line: what` per fault."""
    return checked(path, Settings)


def checked(path: Path, form: type[F]) -> F:
    """A YAML file as `form`. Raises Misuse with one `file:line: what` per fault."""
    file = YamlFile(path)
    if file.faults:
        raise Misuse("\n".join(file.told(line, words) for line, words in file.faults))
    try:
        return form.model_validate(file.raw)
    except ValidationError as error:
        raise Misuse("\n".join(_told(file, found) for found in error.errors())) from None


def _told(file: YamlFile, found: Any) -> str:
    where = ".".join(str(part) for part in found["loc"])
    return file.told(file.line(found["loc"]), f"{where}: {found['msg']}")
