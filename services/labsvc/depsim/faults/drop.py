"""`drop`: after the usual latency the connection is cut, without an answer."""

from labsvc.depsim.faults import Fault, Params
from labsvc.depsim.turn import Ending, Turn


async def _spoil(turn: Turn, params: Params) -> Ending | None:
    if not await turn.pause(turn.latency_s):
        return None
    turn.injected("drop")
    return Ending(outcome="drop")


FAULT = Fault("drop", Params, _spoil)
