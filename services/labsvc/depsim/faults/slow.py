"""`slow`, a brownout: the answer is right and comes late, the usual latency times `factor_ratio` plus `add_ms`."""

from pydantic import Field

from labsvc.depsim.faults import Fault, Params
from labsvc.depsim.turn import Ending, Turn


class SlowParams(Params):
    factor_ratio: float = Field(default=10, ge=1)
    add_ms: float = Field(default=0, ge=0)


async def _spoil(turn: Turn, params: SlowParams) -> Ending | None:
    turn.injected("slow")
    if not await turn.pause(turn.latency_s * params.factor_ratio + params.add_ms / 1000):
        return None
    return Ending(200, turn.answer())


FAULT = Fault("slow", SlowParams, _spoil)
