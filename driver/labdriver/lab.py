"""Finds the labs and validates their `scenario.yaml` into frozen records.

A lab is a folder `labs/<id>/` with a `scenario.yaml`; the folder's name is its id. Every error of a file is
reported at once, each with file, line and the allowed values. Knows nothing of runs, stacks or scores:
rules and panels are named here and found by `score` and `report`.
"""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from labdriver.errors import Misuse
from labdriver.verbs import to_type

SCHEMA_VERSION = 1
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times quicker, and not everywhere

Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]


class Model(BaseModel):
    """A frozen record read from YAML: an unknown key is an error, not a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Latency(Model):
    """How long the dependency takes to answer. Lognormal: `median_ms` and the sigma of ln(latency)."""

    kind: Literal["constant", "uniform", "lognormal"]
    ms: float | None = Field(default=None, ge=0)  # constant
    min_ms: float | None = Field(default=None, ge=0)  # uniform
    max_ms: float | None = Field(default=None, ge=0)  # uniform
    median_ms: float | None = Field(default=None, gt=0)  # lognormal
    sigma: float | None = Field(default=None, ge=0)  # lognormal

    @model_validator(mode="after")
    def _has_its_parameters(self) -> "Latency":
        wanted = {"constant": ("ms",), "uniform": ("min_ms", "max_ms"), "lognormal": ("median_ms", "sigma")}
        missing = [name for name in wanted[self.kind] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"a {self.kind} latency needs {', '.join(missing)}")
        return self


class Fault(Model):
    """A share of calls that the dependency spoils. Every kind is a file of `labsvc/depsim/faults/`."""

    kind: Name
    share_ratio: Share
    status: int | None = Field(default=None, ge=400, le=599)  # error
    factor_ratio: float | None = Field(default=None, ge=1)  # slow: usual latency times this …
    add_ms: float | None = Field(default=None, ge=0)  # … plus this
    every_ms: float | None = Field(default=None, gt=0)  # trickle: pause between two bytes


class Behaviour(Model):
    """What the dependency does to one operation during one phase."""

    latency: Latency
    faults: tuple[Fault, ...] = ()


class Phase(Model):
    """A stretch of load. `kind` is what rules and charts refer to; `name` is what people read."""

    name: Name
    kind: Literal["healthy", "fault", "recovery"]
    duration_s: float = Field(gt=0, le=120)
    rate_rps: float = Field(ge=0, le=2000)
    mix: dict[Name, Annotated[float, Field(ge=0)]] = {}  # request → its weight in this phase, if not its own
    dependency: dict[Name, Behaviour] = {}


class Request(Model):
    """One kind of request. `{key}` in path or body is drawn from `vary` with the run's seed."""

    name: Name
    role: Literal["api", "worker"] = "api"
    method: Literal["GET", "POST"] = "GET"
    path: str = Field(pattern=r"^/")
    weight: float = Field(default=1, gt=0)
    vary: dict[Name, tuple[str | int, ...]] = {}
    body: dict[str, Any] | None = None


class Client(Model):
    """A kind of caller: its headers and its share of the requests. Several, so that none can be singled out."""

    name: Name
    share_ratio: Share
    headers: dict[str, str]


class BooksUse(Model):
    """How claims are checked against what was recorded; found by its name in `score/books/`.

    The dependency's ledger is always there. A lab with tables of its own also names two routes of its given code.
    """

    books: Name
    params: dict[str, Any] = {}
    role: Literal["api", "worker"] = "api"  # who serves the two routes
    prepare: str | None = Field(default=None, pattern=r"^/")  # POST before the warm-up: tables in their first state
    read: str | None = Field(default=None, pattern=r"^/")  # GET after settling: what the database recorded


class RuleUse(Model):
    """One scored criterion: which rule judges it and for how many of the 100 points."""

    id: Name
    rule: Name
    title: str
    points: float = Field(gt=0, le=100)
    params: dict[str, Any] = {}


class PanelUse(Model):
    """One chart of the report, found by its name in `report/panels/`."""

    panel: Name
    params: dict[str, Any] = {}


class Scenario(Model):
    """A whole lab scenario, as `scenario.yaml` states it."""

    schema_version: Literal[1]
    step: int = Field(ge=1)
    title: str
    question: str  # what the report answers, one sentence
    edit: str  # the one file to change, relative to the lab's folder
    roles: tuple[Literal["api", "worker", "estimator"], ...]  # the roles that serve this lab
    scales: Name | None = None  # the role whose replicas this lab is about; its edit.yaml changes that one
    seed: int = Field(ge=0)
    arrivals: Literal["even", "poisson"] = "even"
    warm_up_s: float = Field(default=2, ge=0, le=30)  # same traffic, not scored
    settle_s: float = Field(default=3, ge=0, le=30)  # how long requests in flight may finish after the last arrival
    phases: tuple[Phase, ...] = Field(min_length=1)
    requests: tuple[Request, ...] = Field(min_length=1)
    clients: tuple[Client, ...] = Field(min_length=1)
    books: BooksUse
    rules: tuple[RuleUse, ...] = Field(min_length=1)
    panels: tuple[PanelUse, ...] = ()

    @model_validator(mode="after")
    def _adds_up(self) -> "Scenario":
        points = sum(rule.points for rule in self.rules)
        if abs(points - 100) > 1e-6:
            raise ValueError(f"the rules' points add up to {points:g}, expected 100")
        share = sum(client.share_ratio for client in self.clients)
        if abs(share - 1) > 1e-6:
            raise ValueError(f"the clients' shares add up to {share:g}, expected 1")
        for what, names in (
            ("phase", [p.name for p in self.phases]),
            ("request", [r.name for r in self.requests]),
            ("client", [c.name for c in self.clients]),
            ("rule id", [r.id for r in self.rules]),
        ):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"{what} {', '.join(twice)} is named more than once")
        known = {request.name for request in self.requests}
        for phase in self.phases:
            if unknown := sorted(set(phase.mix) - known):
                raise ValueError(
                    f"phase {phase.name} mixes {unknown[0]!r}, expected one of: {', '.join(sorted(known))}"
                )
            if not any(phase.mix.get(request.name, request.weight) for request in self.requests):
                raise ValueError(f"phase {phase.name} mixes nothing: every weight is 0")
        return self

    @property
    def load_s(self) -> float:
        """Length of the scored load, in seconds."""
        return sum(phase.duration_s for phase in self.phases)

    def scaled(self, ratio: float) -> "Scenario":
        """The same scenario with every phase `ratio` times as long, the warm-up at most. Rates and latencies stay."""
        phases = tuple(p.model_copy(update={"duration_s": p.duration_s * ratio}) for p in self.phases)
        return self.model_copy(update={"phases": phases, "warm_up_s": self.warm_up_s * min(1.0, ratio)})


@dataclass(frozen=True)
class Lab:
    """A lab folder and its validated scenario."""

    id: str
    folder: Path
    scenario: Scenario

    @property
    def edit_file(self) -> Path:
        return self.folder / self.scenario.edit


def find(labs: Path) -> list[str]:
    """Ids of all labs below `labs`, in the order of their steps where a step can be read."""
    ids = [p.parent.name for p in sorted(labs.glob("*/scenario.yaml")) if not p.parent.name.startswith("_")]
    return sorted(ids, key=lambda lab_id: (_step(labs / lab_id / "scenario.yaml"), lab_id))


def load(labs: Path, lab_id: str | None, *, verb: str = "run") -> Lab:
    """Read and validate one lab, for a command that is typed `make VERB LAB=…`.

    Raises Misuse naming the known labs when none or an unknown one was asked for, or every fault of its file.
    """
    known = find(labs)
    if lab_id is None or lab_id not in known:
        asked = f"unknown lab {lab_id!r}" if lab_id else "no lab was named"
        near = difflib.get_close_matches(lab_id or "", known, n=1) or known
        raise Misuse(
            f"{asked}, expected one of: {', '.join(known) or '(none found)'}",
            next_step=to_type(verb, lab=near[0]) if known else f"look for labs in {labs}",
        )
    folder = labs / lab_id
    return Lab(lab_id, folder, read_scenario(folder / "scenario.yaml"))


def read_scenario(path: Path) -> Scenario:
    """Parse and validate a `scenario.yaml`. Raises Misuse with one `file:line: what` line per fault."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Misuse(f"{path}:{line}: not YAML: {error.problem}", next_step=f"mend {path}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise Misuse(f"{path} cannot be read ({told}), expected YAML", next_step=f"mend {path}") from error
    try:
        return Scenario.model_validate(raw)
    except ValidationError as error:
        faults = "\n".join(f"{path}:{line_of(tree, e['loc'])}: {_told(e)}" for e in error.errors())
        raise Misuse(faults, next_step=f"mend {path}") from error


def _step(path: Path) -> int:
    try:
        return int(yaml.load(path.read_bytes(), Loader=LOADER)["step"])
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        return 99  # a broken file is still listed; reading it says what is wrong


def _told(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "the file"
    given = "" if error["type"] in ("missing", "value_error") else f" (got {error['input']!r})"
    return f"{where}: {error['msg']}{given}"


def line_of(tree: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    """Line (from 1) of the node that `loc` leads to, or of its nearest parent that exists."""
    node, line = tree, 1
    for part in loc:
        found = next(_children(node, part), None)
        if found is None:
            break
        node, line = found
    return line


def _children(node: yaml.Node | None, part: int | str) -> Iterator[tuple[yaml.Node, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                yield value, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        yield node.value[part], node.value[part].start_mark.line + 1
