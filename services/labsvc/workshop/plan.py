"""The hour and the numbers of a session, read from `plan.yaml`. All durations are seconds of the session's clock."""

from functools import cached_property
from pathlib import Path

import yaml
from pydantic import Field

from labsvc.rest import Model

FILE = Path(__file__).with_name("plan.yaml")


class Segment(Model):
    """A stretch of the hour."""

    id: str
    title: str
    minutes: float = Field(gt=0)
    lab: str | None = None
    do: str  # for the facilitator
    types: str  # for everybody


class TicketNumbers(Model):
    active_min: int
    active_per_person: float
    silence_s: float
    wait_s: float


class JoiningNumbers(Model):
    people_max: int
    wrong_codes_per_minute: int
    joins_per_minute: int
    wrong_tokens_per_minute: int


class Plan(Model):
    """All of it."""

    segments: tuple[Segment, ...] = Field(min_length=1)
    solved_score: int
    active_s: float
    stuck_after_s: float
    stuck_same_failures: int
    tickets: TicketNumbers
    joining: JoiningNumbers

    @cached_property
    def labs(self) -> tuple[str, ...]:
        """The labs of the hour, in their order."""
        return tuple(segment.lab for segment in self.segments if segment.lab)


def read(path: Path = FILE) -> Plan:
    """The plan of a file. Raises pydantic's ValidationError: a broken plan is a broken installation."""
    return Plan.model_validate(yaml.safe_load(path.read_bytes()))
