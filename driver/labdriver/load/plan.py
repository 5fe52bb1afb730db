"""The schedule of a run, made before the run: when each request is due, what it asks and who asks.

Pure arithmetic on a scenario and a seed; knows nothing of sockets or clocks. Same seed, same plan, so a run
before an edit and a run after it get the very same arrivals. `drive.py` sends what stands here.
"""

import hashlib
import json
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from labdriver.errors import Misuse
from labdriver.lab import Request, Scenario

WARM_UP = -1  # phase index of a request that is not scored
BLOCK = 20  # requests within which clients and kinds of requests have their exact shares, then shuffled

_PLACE = re.compile(r"\{([a-z][a-z0-9_-]*)\}")


@dataclass(frozen=True)
class Plan:
    """All planned requests as columns of equal length, in the order of their intended times."""

    intended_s: tuple[float, ...]  # seconds from t0, negative in the warm-up
    phase: tuple[int, ...]  # index into scenario.phases, WARM_UP in the warm-up
    request: tuple[int, ...]  # index into scenario.requests
    client: tuple[int, ...]  # index into scenario.clients
    target: tuple[str, ...]  # path with its query, places filled
    body: tuple[str | None, ...]  # JSON text

    def __len__(self) -> int:
        return len(self.intended_s)


def plan(scenario: Scenario, *, seed: int) -> Plan:
    """Plan every request of `scenario`, the warm-up first (same mix, at the first phase's rate).

    Raises Misuse when a path or body has a `{place}` that its `vary` does not fill.
    """
    for request in scenario.requests:
        _check_places(request)
    parts: list[tuple[float, int, int, int, str, str | None]] = []
    for phase, start_s, duration_s, rate_rps in _stretches(scenario):
        offsets = _arrivals(scenario.arrivals, duration_s, rate_rps, draw=stream(seed, f"arrivals/{phase}"))
        count = len(offsets)
        kinds = balanced(count, _weights(scenario, phase), draw=stream(seed, f"requests/{phase}"))
        callers = balanced(count, [c.share_ratio for c in scenario.clients], draw=stream(seed, f"clients/{phase}"))
        fills = [_fills(request, kinds.count(i), phase, seed) for i, request in enumerate(scenario.requests)]
        for offset_s, kind, caller in zip(offsets, kinds, callers, strict=True):
            target, body = next(fills[kind])
            parts.append((start_s + offset_s, phase, kind, caller, target, body))
    return Plan(*zip(*parts, strict=True)) if parts else Plan((), (), (), (), (), ())


def stream(seed: int, name: str) -> random.Random:
    """The random stream called `name`. Streams do not depend on one another or on the order of their use."""
    return random.Random(hashlib.sha256(f"{seed}/{name}".encode()).digest())


def balanced(count: int, shares: Sequence[float], *, draw: random.Random, block: int = BLOCK) -> list[int]:
    """`count` indices into `shares`: each block holds the shares as exactly as whole numbers allow, shuffled.

    What a block had to round is made good in the next, so no index is ever a whole request off its share
    at the end of a block (largest deficit first).
    """
    total = sum(shares)
    given = [0] * len(shares)
    drawn: list[int] = []
    while len(drawn) < count:
        upto = min(len(drawn) + block, count)
        chosen: list[int] = []
        for _ in range(upto - len(drawn)):
            index = max(range(len(shares)), key=lambda i: shares[i] / total * upto - given[i])
            given[index] += 1
            chosen.append(index)
        draw.shuffle(chosen)
        drawn += chosen
    return drawn


def _weights(scenario: Scenario, phase: int) -> list[float]:
    """Shares of the kinds of requests in a phase; the warm-up is like the first."""
    mix = scenario.phases[max(0, phase)].mix
    return [mix.get(request.name, request.weight) for request in scenario.requests]


def _stretches(scenario: Scenario) -> Iterator[tuple[int, float, float, float]]:
    """(phase, start_s, duration_s, rate_rps) of the warm-up and of every phase."""
    if scenario.warm_up_s > 0:
        yield WARM_UP, -scenario.warm_up_s, scenario.warm_up_s, scenario.phases[0].rate_rps
    start_s = 0.0
    for index, phase in enumerate(scenario.phases):
        yield index, start_s, phase.duration_s, phase.rate_rps
        start_s += phase.duration_s


def _arrivals(kind: str, duration_s: float, rate_rps: float, *, draw: random.Random) -> list[float]:
    """Offsets in seconds from the start of the stretch, all below `duration_s`."""
    if rate_rps == 0:
        return []
    if kind == "even":
        # the small number keeps 6 s at 40 rps at 240 when the product is a hair above it
        return [i / rate_rps for i in range(math.ceil(duration_s * rate_rps - 1e-6))]
    offsets: list[float] = []
    at_s = draw.expovariate(rate_rps)
    while at_s < duration_s:
        offsets.append(at_s)
        at_s += draw.expovariate(rate_rps)
    return offsets


def _check_places(request: Request) -> None:
    wanted = set(_PLACE.findall(request.path)) | set(_PLACE.findall(json.dumps(request.body)))
    missing = sorted(wanted - {name for name, values in request.vary.items() if values})
    if missing:
        raise Misuse(
            f"request {request.name}: nothing fills {{{missing[0]}}}, expected one of its vary: "
            f"{', '.join(sorted(request.vary)) or '(none)'}",
            next_step="add it under vary in scenario.yaml",
        )


def _fills(request: Request, count: int, phase: int, seed: int) -> Iterator[tuple[str, str | None]]:
    """`count` filled (target, body) pairs; each varied value comes equally often, in shuffled decks."""
    decks = {
        name: balanced(
            count,
            [1] * len(values),
            draw=stream(seed, f"vary/{phase}/{request.name}/{name}"),
            block=len(values),
        )
        for name, values in request.vary.items()
    }
    for n in range(count):
        chosen = {name: values[decks[name][n]] for name, values in request.vary.items()}
        yield _target(request.path, chosen), _body(request.body, chosen)


def _target(path: str, chosen: dict[str, str | int]) -> str:
    return _PLACE.sub(lambda place: quote(str(chosen[place[1]]), safe=""), path)


def _body(body: dict[str, Any] | None, chosen: dict[str, str | int]) -> str | None:
    return None if body is None else json.dumps(_filled(body, chosen), separators=(",", ":"))


def _filled(value: Any, chosen: dict[str, str | int]) -> Any:
    """`value` with its places filled; a text that is one place alone keeps the type of what fills it."""
    if isinstance(value, dict):
        return {key: _filled(item, chosen) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, chosen) for item in value]
    if not isinstance(value, str):
        return value
    whole = _PLACE.fullmatch(value)
    if whole:
        return chosen[whole[1]]
    fill: Callable[[re.Match[str]], str] = lambda place: str(chosen[place[1]])  # noqa: E731
    return _PLACE.sub(fill, value)
