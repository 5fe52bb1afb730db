"""Draws what happens to call n of an operation in a phase, from named random streams of the script's seed.

Whether a call is spoilt is dealt, not diced: calls come in blocks of 20, each block holds the promised number of every
fault (fractions are carried to the next block), and only the order within a block is random. So a small run sees the
share it was promised, and equal scripts spoil equal call numbers. Latencies are ordinary independent draws.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from labsvc.depsim.faults import Fault, Params
from labsvc.depsim.script import DEFAULT, Behaviour, Latency, Phase
from labsvc.traffic import LOAD

BLOCK_CALLS = 20


@dataclass(frozen=True)
class Draw:
    """What one call is given."""

    latency_s: float
    spoilt: tuple[Fault, Params] | None  # by what, None: it is left alone


class Deck:
    """Deals indexes of shares, None for "leave it alone". Of every 20 calls in a row, the promised share is dealt."""

    def __init__(self, shares_ratio: Sequence[float], stream: random.Random) -> None:
        self._shares_ratio = shares_ratio
        self._stream = stream
        self._blocks = 0
        self._dealt = [0] * len(shares_ratio)
        self._block: list[int | None] = []

    def deal(self) -> int | None:
        """The next call's card."""
        if not self._block:
            self._block = self._shuffled()
        return self._block.pop()

    def _shuffled(self) -> list[int | None]:
        self._blocks += 1
        block: list[int | None] = []
        for index, share_ratio in enumerate(self._shares_ratio):
            # The small term keeps 0.05 * 20 from being 0.999…; what does not fit is dealt in the next block.
            promised = math.floor(share_ratio * BLOCK_CALLS * self._blocks + 1e-9)
            count = min(promised - self._dealt[index], BLOCK_CALLS - len(block))
            self._dealt[index] += count
            block += [index] * count
        block += [None] * (BLOCK_CALLS - len(block))
        self._stream.shuffle(block)
        return block


class Part:
    """The random streams of one operation in one phase."""

    def __init__(self, behaviour: Behaviour, *, name: str) -> None:
        self._latency = behaviour.latency
        self._faults = [(fault.fault(), fault.params()) for fault in behaviour.faults]
        self._latencies = random.Random(f"{name}/latency")
        self._deck = Deck([f.share_ratio for f in behaviour.faults], random.Random(f"{name}/faults"))

    def draw(self) -> Draw:
        """What the next call is given."""
        card = self._deck.deal()
        latency_s = latency_ms(self._latency, self._latencies) / 1000
        return Draw(latency_s, None if card is None else self._faults[card])


class Play:
    """All streams of one script (or of none: the default behaviour)."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._parts: dict[tuple[str, str, str], Part] = {}

    def draw(self, phase: Phase | None, operation: str, *, traffic: str = LOAD) -> Draw:
        """What the next call of an operation in a phase is given. Each traffic has streams and blocks of its own."""
        name = phase.name if phase else ""
        part = self._parts.get((name, operation, traffic))
        if part is None:
            behaviour = phase.operations.get(operation, DEFAULT) if phase else DEFAULT
            stream = f"{self._seed}/{name}/{operation}" + ("" if traffic == LOAD else f"/{traffic}")
            part = self._parts[name, operation, traffic] = Part(behaviour, name=stream)
        return part.draw()


def latency_ms(latency: Latency, stream: random.Random) -> float:
    """One draw, in ms. Lognormal: median · exp(sigma · z), z standard normal."""
    if latency.kind == "constant":
        return latency.ms
    if latency.kind == "uniform":
        return stream.uniform(latency.min_ms, latency.max_ms)
    return latency.median_ms * math.exp(latency.sigma * stream.gauss(0, 1))
