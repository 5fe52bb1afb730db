"""`trickle`: the head of a right answer comes at once, its body byte by byte, `every_ms` apart.

A timeout that counts anew for each read never sees it; only a deadline for the whole call does.
"""

from pydantic import Field

from labsvc.depsim.faults import Fault, Params
from labsvc.depsim.turn import Ending, Turn


class TrickleParams(Params):
    every_ms: float = Field(default=200, gt=0)


async def _spoil(turn: Turn, params: TrickleParams) -> Ending | None:
    if not await turn.pause(turn.latency_s):
        return None
    turn.injected("trickle")
    return Ending(200, turn.answer(), every_ms=params.every_ms, outcome="trickle")


FAULT = Fault("trickle", TrickleParams, _spoil)
