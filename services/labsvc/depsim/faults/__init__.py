"""One file a fault. `FAULT` says what is done to a call that the script spoils.

A fault gets the call, its own parameters and a `Turn`, and decides how the call ends:

    async def spoil(turn: Turn, params: Params) -> Ending | None

It marks the call with `turn.injected()` at the moment when the fault really lands, waits only through `turn` (which
ends early when the caller leaves), and returns how the call ends; None: the caller left before anything landed.
To add one, copy `error.py`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from labsvc.depsim.turn import Ending, Turn


class Params(BaseModel):
    """What the script says beside kind and share. Keys of other faults are ignored, for scripts carry defaults."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@dataclass(frozen=True)
class Fault:
    """One way to spoil a call."""

    name: str
    params: type[Params]
    spoil: Callable[[Turn, Any], Awaitable[Ending | None]]
