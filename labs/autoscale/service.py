"""Given code of step 4, read-only: what a home will cost to build, calculated on demand.

    GET /floorplans/{id}/estimate ──▶ api ──▶ estimator: one drawing board a replica ──▶ api

The calculating engine is licensed for a fifth of a core a replica, and keeps to it by itself: one estimate is 20 ms
of processor time, spread over a tenth of a second. So a replica makes ten estimates a second on any machine, and
whoever wants more needs more replicas. How many there are says edit.yaml; nothing here knows.
"""

import asyncio
import random
import time
from types import ModuleType

import httpx

from labsvc.deps import Clock, Deps, Handler, Reply, Request, Route

ROLE = ("api", "estimator")
PATH = "/floorplans/{id}/estimate"
ROUNDS = 5  # of one estimate; between two of them other requests get their turn
ROUND_CPU_S = 0.004  # processor time of a round, whatever the machine
SHARE_OF_CORE = 0.2  # what the licence allows
PACE_MS = round(ROUNDS * ROUND_CPU_S / SHARE_OF_CORE * 1000)  # of an estimate that gets its share
PATIENCE_S = 1.0  # who has waited so long for the drawing board has left
LIMIT_S = 2.5  # for the whole estimate, seen from the api


def routes(deps: Deps, edit: ModuleType | None) -> list[Route]:
    """The same path in both roles: the api passes on, the estimator calculates."""
    if deps.role == "api":
        return [Route("GET", PATH, _passed_on(deps))]
    return [Route("GET", PATH, _calculated(deps))]


def _passed_on(deps: Deps) -> Handler:
    estimator = deps.neighbour("estimator")

    async def estimate(request: Request) -> Reply:
        try:
            async with asyncio.timeout(LIMIT_S):
                answer = await estimator.get(PATH.format(id=request.params["id"]))
                return Reply(answer.status_code, answer.json())
        except TimeoutError:
            return Reply(504, {"error": f"no estimate within {LIMIT_S:g} s"})
        except (httpx.HTTPError, ValueError):
            return Reply(503, {"error": "no estimator took the request"})

    return estimate


def _calculated(deps: Deps) -> Handler:
    board = asyncio.Lock()

    async def estimate(request: Request) -> Reply:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await board.acquire()
        except TimeoutError:
            return Reply(503, {"error": f"the drawing board was not free for {PATIENCE_S:g} s"})
        try:
            begun_s = deps.clock.monotonic_s()
            floorplan = request.params["id"]
            cost_cents = await _cost_cents(floorplan, deps.clock)
            took_ms = round((deps.clock.monotonic_s() - begun_s) * 1000)
            return Reply(
                200, {"floorplan": floorplan, "cost_cents": cost_cents, "pace_ms": PACE_MS, "took_ms": took_ms}
            )
        finally:
            board.release()

    return estimate


async def _cost_cents(floorplan: str, clock: Clock) -> int:
    """The cost of a home: the mean of many simulated builds, always the same for the same plan."""
    begun_s = clock.monotonic_s()
    cost_cents = 0
    for number in range(1, ROUNDS + 1):
        until_cpu_s = time.thread_time() + ROUND_CPU_S
        while time.thread_time() < until_cpu_s:
            cost_cents = _mean_of_builds(floorplan)
        await clock.sleep(max(0.0, begun_s + number * ROUND_CPU_S / SHARE_OF_CORE - clock.monotonic_s()))
    return cost_cents


def _mean_of_builds(floorplan: str) -> int:
    draw = random.Random(f"estimate/{floorplan}")
    square_metres = draw.uniform(35, 95)
    builds = [square_metres * draw.lognormvariate(7.6, 0.25) for _ in range(50)]
    return round(sum(builds) / len(builds) * 100)
