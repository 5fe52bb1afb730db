"""Who the bots are: skills, times and results drawn from `results.yaml` and one seed."""

import math
import random
from functools import cached_property
from pathlib import Path

import yaml
from pydantic import Field

from labdriver.lab import Model
from labdriver.score.line import compose

FILE = Path(__file__).with_name("results.yaml")
UNKNOWN_RUN_S = 30.0  # of a lab that the file does not know


class Result(Model):
    """What one run gave."""

    score: int = Field(ge=0, le=100)
    p95_ms: int | None
    ok: float = Field(ge=0, le=1)
    failure: str  # the rule that took most, as a real run sends it

    def line(self, *, lab: str, run: str, by: str, is_valid: bool) -> str:
        """The score line that a run with this result prints."""
        return compose(
            lab=lab,
            score=self.score,
            p95_ms=self.p95_ms,
            ok_ratio=self.ok,
            verdict="VALID" if is_valid else "INVALID",
            by=by,
            run=run,
        )


class LabResults(Model):
    run_s: float  # with its deploy
    starter: tuple[Result, ...] = Field(min_length=1)
    near: tuple[Result, ...] = Field(min_length=1)
    solved: tuple[Result, ...] = Field(min_length=1)


class Habits(Model):
    """Seconds are the session's. Medians; `spread` is the sigma of their logarithm."""

    start_s: float
    think_s: float
    spread: float
    near_ratio: float
    void_ratio: float
    rescue_after: int
    ticket_s: float
    escalate_ratio: float
    return_ratio: float
    forget_ratio: float


class Crowd(Model):
    """The whole file."""

    results: dict[str, LabResults]
    void: Result
    people: Habits
    skills: dict[float, float]

    @cached_property
    def levels(self) -> tuple[list[float], list[float]]:
        return list(self.skills), list(self.skills.values())


def read(path: Path = FILE) -> Crowd:
    """The crowd of a file."""
    return Crowd.model_validate(yaml.safe_load(path.read_bytes()))


class Character:
    """One bot's skill and luck. Its draws come from a stream of its own, so adding bots changes no other one."""

    def __init__(self, crowd: Crowd, *, seed: int, number: int) -> None:
        self._crowd = crowd
        self._random = random.Random(f"{seed}/{number}")
        levels, shares = crowd.levels
        self.skill = self._random.choices(levels, shares)[0]

    def time_s(self, median_s: float, *, by_skill: bool = False) -> float:
        """A lognormal time; thinking is quicker with skill."""
        drawn = median_s * math.exp(self._random.gauss(0, self._crowd.people.spread))
        return drawn / self.skill if by_skill else drawn

    def run_s(self, lab: str) -> float:
        """How long a run of a lab takes, with its deploy."""
        known = self._crowd.results.get(lab)
        return self.time_s(known.run_s if known else UNKNOWN_RUN_S)

    def between(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def chance(self, ratio: float) -> bool:
        return self._random.random() < ratio

    def result(self, lab: str, *, attempt: int) -> tuple[Result, bool, bool]:
        """What an attempt gives: the result, whether it is VALID, whether it solves the lab."""
        habits, known = self._crowd.people, self._crowd.results.get(lab)
        if self.chance(habits.void_ratio):
            return self._crowd.void, False, False
        if known is None:
            return self._crowd.void, False, False
        if attempt == 0:
            return self._random.choice(known.starter), True, False
        if attempt < habits.rescue_after and self.chance(habits.near_ratio / self.skill):
            return self._random.choice(known.near), True, False
        return self._random.choice(known.solved), True, True
