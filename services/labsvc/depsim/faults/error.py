"""`error`: after the usual latency, an error status instead of an answer."""

from pydantic import Field

from labsvc.depsim.faults import Fault, Params
from labsvc.depsim.turn import Ending, Turn


class ErrorParams(Params):
    status: int = Field(default=503, ge=400, le=599)


async def _spoil(turn: Turn, params: ErrorParams) -> Ending | None:
    if not await turn.pause(turn.latency_s):
        return None
    turn.injected("error")
    return Ending(params.status, {"error": "the dependency is not well"}, outcome="error")


FAULT = Fault("error", ErrorParams, _spoil)
