"""The phase script: per operation and stretch of time, how long answers take and which share is spoilt how.

    phases:  |--healthy--|--hanging--|--recovered--- …      before start_at_s: no phase, default behaviour
             start_at_s                                     the last phase stays in force until the script goes

Models and time arithmetic only; `play.py` draws from them. Unknown operations and faults are refused when a script is
armed, each with the known names.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from labsvc import scan
from labsvc.depsim import faults, operations
from labsvc.depsim.faults import Fault, Params

Name = Annotated[str, Field(min_length=1, max_length=80)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Latency(Model):
    """Time to an answer. Lognormal: its median and the sigma of ln(latency)."""

    kind: Literal["constant", "uniform", "lognormal"]
    ms: float = Field(default=0, ge=0)  # constant
    min_ms: float = Field(default=0, ge=0)  # uniform
    max_ms: float = Field(default=0, ge=0)  # uniform
    median_ms: float = Field(default=40, gt=0)  # lognormal
    sigma: float = Field(default=0, ge=0)  # lognormal


class FaultUse(BaseModel):
    """One fault of one phase. What it needs beside kind and share is checked by the fault's own parameters."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str
    share_ratio: float = Field(ge=0, le=1)

    def fault(self) -> Fault:
        """The fault of this kind. Raises Misuse listing the known ones."""
        found: Fault = scan.load(faults, self.kind, "FAULT")
        return found

    def params(self) -> Params:
        return self.fault().params.model_validate(self.model_extra or {})

    @model_validator(mode="after")
    def _is_known(self) -> "FaultUse":
        if self.kind not in scan.names(faults):
            raise ValueError(f"unknown fault {self.kind!r}, expected one of: {', '.join(scan.names(faults))}")
        self.params()
        return self


class Behaviour(Model):
    """What happens to one operation. The shares are parts of one whole: at most 1 together."""

    latency: Latency
    faults: tuple[FaultUse, ...] = ()

    @model_validator(mode="after")
    def _is_one_whole(self) -> "Behaviour":
        share = sum(fault.share_ratio for fault in self.faults)
        if share > 1 + 1e-9:
            raise ValueError(f"the shares of the faults add up to {share:g}, expected at most 1")
        return self


class Phase(Model):
    """A stretch of time. An operation that is not named behaves as without a script."""

    name: Name
    duration_s: float = Field(gt=0)
    operations: dict[str, Behaviour] = {}

    @model_validator(mode="after")
    def _operations_are_known(self) -> "Phase":
        unknown = sorted(set(self.operations) - set(scan.names(operations)))
        if unknown:
            known = ", ".join(scan.names(operations))
            raise ValueError(f"unknown operation {', '.join(unknown)}, expected one of: {known}")
        return self


class Script(Model):
    """A whole script, as `PUT /admin/script` sends it."""

    id: Name
    seed: int
    start_at_s: float  # epoch time
    phases: tuple[Phase, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> "Script":
        names = [phase.name for phase in self.phases]
        if len(set(names)) < len(names):
            raise ValueError(f"two phases share a name: {', '.join(names)}")
        return self

    def entered(self, now_s: float) -> list[str]:
        """Names of the phases that have begun by `now_s`, in order."""
        begun, start_s = [], self.start_at_s
        for phase in self.phases:
            if now_s < start_s:
                break
            begun.append(phase.name)
            start_s += phase.duration_s
        return begun

    def phase(self, now_s: float) -> Phase | None:
        """The phase in force, None before the start. The last one stays in force after its end."""
        begun = len(self.entered(now_s))
        return self.phases[begun - 1] if begun else None


DEFAULT = Behaviour(latency=Latency(kind="constant", ms=40))


def first_fault(error: Any) -> str:
    """The first thing wrong with a script, as one line: where, what, what was given."""
    first = error.errors()[0]
    where = " ".join(".".join(str(part) for part in first["loc"]).split()) or "script"
    return f"{where}: {first['msg']}"
