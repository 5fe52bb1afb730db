"""How truly and how cheaply the load is sent, against the targets of load.md parts 4 and 6.

load.py ──▶ the selftest's server and checks ──▶ figures;  load_rivals.py: wrk and Locust's FastHttpUser beside us
"""

import time
from collections.abc import Iterator
from statistics import median

from bench.kit import Bench, Result, Say
from bench.load_rivals import added_p99, cpu_per_request
from labdriver.lab import Scenario
from labdriver.load.drive import Job, LoadResult, drive
from labdriver.load.plan import plan
from labdriver.load.process import launch
from labdriver.selftest.bed import scenario
from labdriver.selftest.checks import schedule, silent, stopped
from labdriver.selftest.server import Server

ROUNDS = 7
QUIET_RATIO = 0.1  # a round counts as quiet while others use no more of the machine
CEILING_RATES_RPS = (1000, 2000, 3000, 4000, 5000, 6000, 8000, 10000, 12000)
CEILING_LAG_MS = 10.0
CEILING_SENT_RATIO = 0.995
CEILING_S = 3.0


def run(say: Say) -> Iterator[Result]:
    """All figures of the load."""
    yield from deviation(say)
    yield from added_p99(say)
    yield from truth(say)
    yield from ceiling(say)
    yield from cpu_per_request(say)
    yield from overhead(say)


def deviation(say: Say) -> Iterator[Result]:
    """Arrivals as the server sees them."""
    rounds = []
    for n in range(ROUNDS):
        say(f"deviation, round {n + 1} of {ROUNDS}")
        rounds.append(schedule.measure())
    quiet = [r for r in rounds if r.others_ratio <= QUIET_RATIO]
    used = quiet or rounds
    method = (
        f"server's stamps at {schedule.RATE_RPS} rps, {schedule.DURATION_S:g} s, median of {len(used)} "
        f"{'quiet' if quiet else 'disturbed'} rounds of {ROUNDS}"
    )
    for index, (name, unit, limit) in enumerate(
        (("deviation p50", "ms", 0.1), ("deviation p99", "ms", 1.0), ("mean rate error", "%", 0.05))
    ):
        values = [r.finding.figures[index].value for r in used if r.finding.figures]
        scale = 100 if unit == "%" else 1
        value = median(v * scale for v in values if v is not None) if values else None
        yield Result(name, value, unit, method, at_most=limit)


def truth(say: Say) -> Iterator[Result]:
    """A stopped server, and one that never answers."""
    stall, none = stopped.run(say), silent.run(say)
    yield Result("reported p95 / true p95 under a 2 s stall", stall.figures[0].value, "", stall.note, 1.05, 0.97)
    yield Result("never answered: accounted for", none.figures[0].value, "", none.note, 1, 1)
    yield Result("never answered: counted as ok", none.figures[1].value, "", none.note, 0)


def ceiling(say: Say) -> Iterator[Result]:
    """The highest rate that is still sent as planned."""
    reached = 0
    last = ""
    for rate_rps in CEILING_RATES_RPS:
        say(f"ceiling, {rate_rps} rps")
        chosen = _at(rate_rps)
        with Server() as server:
            result = _driven(chosen, server.url)
        generator = result.generator
        sent = sum(row.sent_s is not None for row in result.rows) / len(result.rows)
        if generator is None or sent < CEILING_SENT_RATIO or generator.lag_p99_ms > CEILING_LAG_MS:
            last = f"; at {rate_rps} lag p99 {generator.lag_p99_ms if generator else float('nan'):.0f} ms"
            break
        reached = rate_rps
        last = f"; there lag p99 {generator.lag_p99_ms:.1f} ms, {generator.cpu_ratio * 100:.0f} % of a core"
    method = f"{CEILING_S:g} s steps, ≥ {CEILING_SENT_RATIO:.1%} sent and lag p99 ≤ {CEILING_LAG_MS:g} ms{last}"
    yield Result("highest rate sent as planned", reached, "rps", method, at_least=2000)


def overhead(say: Say) -> Iterator[Result]:
    """Time of the driver beyond the load itself."""
    say("overhead")
    starts_s, ends_s = [], []
    with Server() as server:
        for _ in range(5):
            started_s = time.monotonic()
            child = launch()
            child.wait_ready(20)
            starts_s.append(time.monotonic() - started_s)
            chosen = scenario(rate_rps=200, duration_s=1, warm_up_s=0)
            job = Job(chosen, plan(chosen, seed=1), {"api": server.url}, time.monotonic() + 0.1)
            result = drive(job, on_progress=lambda _: None, child=child)
            ends_s.append(time.monotonic() - result.t0_mono_s - 1)
    yield Result("start of the load process", median(starts_s), "s", "launch to ready, median of 5", at_most=0.8)
    yield Result("end of load to rows in hand", median(ends_s), "s", "200 rps for 1 s, median of 5", at_most=0.2)


def _at(rate_rps: float) -> Scenario:
    """A scenario above the rate that labs may ask for."""
    made = scenario(rate_rps=1, duration_s=CEILING_S, warm_up_s=0.5, settle_s=3)
    phase = made.phases[0].model_copy(update={"rate_rps": rate_rps})
    return made.model_copy(update={"phases": (phase,)})


def _driven(chosen: Scenario, url: str) -> LoadResult:
    return drive(Job(chosen, plan(chosen, seed=1), {"api": url}), on_progress=lambda _: None)


BENCH = Bench("how truly and how cheaply the load is sent", run)
