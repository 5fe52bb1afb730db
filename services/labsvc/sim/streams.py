"""Chance, by name: every decision has its own random numbers, all derived from one seed.

    stream(name, purpose)  ──▶ random.Random   numbers in sequence, for one owner
    block(name, purpose, k) ─▶ random.Random   the k-th block of a stream, alone and in any order
    draw(key, purpose)      ─▶ 0 ≤ u < 1       a pure function of its arguments: the number that belongs to one entity

The key is a hash of (seed, world, name, purpose), so adding a stream never moves the numbers of another. What
happens to one entity is decided by `draw`: an order keeps its fate whatever else arrives beside it.
"""

import math
from collections.abc import Callable, Iterator
from hashlib import blake2b
from itertools import chain, repeat, starmap
from random import Random

from labsvc.errors import Misuse

_BLOCK = 512  # numbers drawn at once by a sampler; the cost of a call is spread over them
_TO_UNIT = 2.0**-53


class Streams:
    """All randomness of one run of one world."""

    def __init__(self, *, seed: int, world: str) -> None:
        root = f"{seed}\0{world}\0".encode()
        self._root = blake2b(root, digest_size=16, person=b"stream")
        self._draws = blake2b(root, digest_size=8, person=b"draw")
        self._tokens = blake2b(root, digest_size=8, person=b"token")
        self._taken: set[tuple[str, str]] = set()

    def stream(self, name: str, purpose: str) -> Random:
        """A generator of its own. Raises Misuse when the pair is taken: two decisions never share a stream."""
        if (name, purpose) in self._taken:
            raise Misuse(f"random stream {name!r} for {purpose!r} is taken; give the second decision its own purpose")
        self._taken.add((name, purpose))
        return self._random(name, purpose)

    def block(self, name: str, purpose: str, index: int) -> Random:
        """The generator of one block (a day of history, say); the same whichever blocks were made before."""
        return self._random(name, f"{purpose}\0{index}")

    def draw(self, key: str, purpose: str) -> float:
        """The number in [0, 1) that decides `purpose` for the entity `key`; 53 random bits."""
        keyed = self._draws.copy()
        keyed.update(f"{key}\0{purpose}".encode())
        return (int.from_bytes(keyed.digest(), "little") >> 11) * _TO_UNIT

    def token(self, key: str) -> str:
        """A name for `key` that tells nothing: ids say what caused an event, participants must not read that."""
        keyed = self._tokens.copy()
        keyed.update(key.encode())
        return keyed.hexdigest()

    def _random(self, name: str, purpose: str) -> Random:
        keyed = self._root.copy()
        keyed.update(f"{name}\0{purpose}".encode())
        return Random(int.from_bytes(keyed.digest(), "little"))


def exponential_us(source: Random, mean_us: float) -> Callable[[], int]:
    """A sampler of exponential times in whole microseconds; reads the source in blocks."""
    random, log, scale = source.random, math.log, -mean_us

    def block() -> Iterator[int]:
        try:
            return map(int, [scale * x for x in map(log, starmap(random, repeat((), _BLOCK)))])
        except ValueError:  # a 0 among the numbers, once in 2^53, has no logarithm
            return block()

    return _endless(block)


def mapped(source: Random, value: Callable[[float], int]) -> Callable[[], int]:
    """A sampler of `value(u)` for uniform u; reads the source in blocks."""
    random = source.random

    def block() -> Iterator[int]:
        return iter([value(random()) for _ in range(_BLOCK)])

    return _endless(block)


def _endless(block: Callable[[], Iterator[int]]) -> Callable[[], int]:
    return chain.from_iterable(iter(block, None)).__next__
