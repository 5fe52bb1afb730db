"""`hang`: the call is taken and never answered, until the caller leaves or the script lets go."""

from labsvc.depsim.faults import Fault, Params
from labsvc.depsim.turn import Ending, Turn


async def _spoil(turn: Turn, params: Params) -> Ending:
    turn.injected("hang")
    await turn.hold()
    return Ending(outcome="hang")


FAULT = Fault("hang", Params, _spoil)
