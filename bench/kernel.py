"""The simulation kernel: speed beside SimPy and Ciw, truth beside Erlang C, pace beside the wall clock.

Speeds are per second of processor time, without the garbage collector, engines in turn within a round, so that
neighbours and the machine's mood fall on all of them alike.
"""

import asyncio
import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from statistics import correlation, covariance, fmean, median, stdev, variance
from typing import Any

from bench.kernel_rivals import LOAD_ERL, PER_S, RIVALS, SERVERS, SERVICE_S, ours, present
from bench.kit import Bench, Result, Say
from labsvc.sim.arrivals import Source
from labsvc.sim.chain import Chain, Step
from labsvc.sim.clock import Clock
from labsvc.sim.delay import Delay
from labsvc.sim.erlang import erlang_c
from labsvc.sim.instant import HOUR_US, us
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.queueing import Station
from labsvc.sim.rate import Rate, TimeOfDay
from labsvc.sim.runner import Runner
from labsvc.sim.simulation import Simulation, restore
from labsvc.sim.streams import exponential_us
from labsvc.sim.visit import Visit
from labsvc.worlds import Answer, TicketDraft
from labsvc.worlds.commerce import CommerceKind

ROUNDS = 7
CUSTOMERS = 100_000  # of a round of ours
PROCESSES = 2
BATCHES = 200  # of each process
BATCH = 100_000  # calls: 370 mean service times, long against the queue's memory
TARGET_S = 20
PACE = 3600
EVENTS_PER_S = 30  # of simulated time
PACED_S = 10

DAY = TimeOfDay(((0, 0.2), (8, 1.0), (12, 1.6), (18, 1.2), (22, 0.4)))


def run(say: Say) -> Iterator[Result]:
    yield from speed(say)
    yield from truth(say)
    yield from pace(say)
    yield from replay(say)
    yield from commerce(say)


def speed(say: Say) -> Iterator[Result]:
    """Events per second of M/M/100 at 90 %: an arrival and an end of service for each customer."""
    rivals = {name: found for name, found in RIVALS.items() if present(found[1])}
    per_s: dict[str, list[float]] = {"kernel": [], **{name: [] for name in rivals}}
    for n in range(ROUNDS):
        say(f"engines, round {n + 1} of {ROUNDS}")
        per_s["kernel"].append(uncollected(ours, CUSTOMERS, n))
        for name, (engine, _, customers) in rivals.items():
            per_s[name].append(uncollected(engine, customers, n))
    for name, found in per_s.items():
        work = f"M/M/{SERVERS}, {LOAD_ERL} Erlang, a record each"
        method = f"{work}; median of {ROUNDS}, {2 * min(found):,.0f}–{2 * max(found):,.0f}"
        yield Result(f"events/s, {name}", 2 * median(found), "/s", method)
    missing = sorted({package for _, package, _ in RIVALS.values() if not present(package)})
    name = "kernel / faster of SimPy and Ciw"
    if missing:
        yield Result(name, None, "", f"{' and '.join(missing)} not installed: add to the dev group")
        return
    best = [max(per_s[name][n] for name in rivals) for n in range(ROUNDS)]
    ratios = [mine / theirs for mine, theirs in zip(per_s["kernel"], best, strict=True)]
    method = f"median of {ROUNDS} rounds in turn ({min(ratios):.2f}–{max(ratios):.2f}), the fastest of each round"
    yield Result(name, median(ratios), "×", method, at_least=5)


def uncollected(engine: Callable[[int, int], float], customers: int, seed: int) -> float:
    """One round without the garbage collector, as timeit does it: it scans what the bench keeps, not the engine's."""
    gc.collect()
    gc.disable()
    try:
        return engine(customers, seed)
    finally:
        gc.enable()


def truth(say: Say) -> Iterator[Result]:
    """How far the kernel is from Erlang C. The error of so long a run is told with it."""
    say(f"{PROCESSES * BATCHES * BATCH:,} calls in {PROCESSES} processes, a minute or so")
    with ProcessPoolExecutor(PROCESSES) as pool:
        batches = [batch for found in pool.map(calls, range(PROCESSES)) for batch in found]
    theory = erlang_c(SERVERS, LOAD_ERL, service_s=SERVICE_S, target_s=TARGET_S)
    offered = [batch[3] for batch in batches]
    for k, (name, expected) in enumerate(zip(("share that waits", "mean wait", "service level"), theory, strict=False)):
        plain = [batch[k] for batch in batches]
        slope = covariance(offered, plain) / variance(offered)
        found = [value - slope * (load - LOAD_ERL) for value, load in zip(plain, offered, strict=True)]
        error = 100 * stdev(found) / math.sqrt(len(found)) / expected
        method = (
            f"{fmean(found):.5g} ± {error:.2f} % for {expected:.5g}; {len(batches)} batches of {BATCH:,}, "
            f"corrected for the load they really had (r {correlation(offered, plain):.2f}; plain {fmean(plain):.5g})"
        )
        yield Result(f"{name} against Erlang C", 100 * abs(fmean(found) / expected - 1), "%", method, at_most=2)


def calls(seed: int) -> list[tuple[float, float, float, float]]:
    """(share that waits, mean wait in s, service level, load offered in Erlang) of each batch."""
    kernel = Kernel(world="bench", seed=100 + seed)
    desk = Station(kernel, "desk", SERVERS)
    talk_us = exponential_us(kernel.streams.stream("desk", "service"), SERVICE_S * 1e6)
    waits: list[int] = []
    offered_us = 0

    def incoming(visit: Visit) -> None:
        nonlocal offered_us
        service_us = talk_us()
        offered_us += service_us
        desk.admit(visit, service_us)

    Source(kernel, Modifiers(kernel), "calls", Rate(PER_S * 3600), incoming, make=Visit)
    batch_us = round(BATCH / PER_S * 1e6)
    kernel.run_until(batch_us // 5)
    desk.observe(lambda v: waits.append(v.started_us - v.arrived_us))  # type: ignore[operator]
    found = []
    for _ in range(BATCHES):
        waits.clear()
        offered_us = 0
        kernel.run_until(kernel.now_us + batch_us)
        n = len(waits)
        in_time = sum(wait <= us(TARGET_S) for wait in waits)
        found.append((sum(wait > 0 for wait in waits) / n, sum(waits) / n / 1e6, in_time / n, offered_us / batch_us))
    return found


def pace(say: Say) -> Iterator[Result]:
    """A business of 30 events a second at 3600 times its pace, in an event loop."""
    say(f"pace {PACE} for {PACED_S} s")
    from_us, until_us = 8 * HOUR_US, 8 * HOUR_US + us(PACED_S * PACE)
    mean_ratio = Rate(1, (DAY,)).expected(from_us, until_us) / (PACED_S * PACE / 3600)
    kernel = Kernel(world="bench", seed=1, start_us=from_us)
    modifiers = Modifiers(kernel)
    for k in range(10):
        rate = Rate(EVENTS_PER_S * 360 / mean_ratio, (DAY,))
        Source(kernel, modifiers, f"stream-{k}", rate, lambda e, s=f"stream-{k}": kernel.emit(s, e, {}))
    clock = Clock(wall_ns=time.monotonic_ns, now_us=from_us, pace=PACE)
    runner = Runner(kernel, clock)

    async def play() -> None:
        asyncio.get_running_loop().call_later(PACED_S, runner.stop)
        await runner.run()

    started_s, cpu_s = time.monotonic(), time.process_time()
    asyncio.run(play())
    wall_s, cpu_s = time.monotonic() - started_s, time.process_time() - cpu_s
    shown = f"{kernel.executed / wall_s:,.0f} events/s, {cpu_s / wall_s:.2f} of a core"
    method = f"{shown}; a batch counts as late as its oldest event; worst {clock.worst_lag_ms:.1f} ms"
    yield Result(f"lag p99 at {PACE}×", clock.lag_p99_ms(), "ms", method, at_most=5)
    kept = (kernel.now_us - from_us) / 1e6 / wall_s / PACE
    yield Result(f"pace kept at {PACE}×", kept, "", "simulated / due", at_least=0.99)


class Shop:
    """A world of the usual kind: orders by the time of day, a payment, a delivery, now and then a question."""

    name, version = "bench", "1"
    scenarios: dict[str, Any] = {}

    def start(self, simulation: Simulation) -> None:
        steps = {
            "placed": Step(stream="orders", one_of={"paid": 0.9, "declined": 0.1}),
            "declined": Step(stream="declines"),
            "paid": Step(stream="payments", delay=Delay(kind="uniform", min_s=1, max_s=60), also={"asked": 0.3}),
            "asked": Step(stream="questions", delay=Delay(kind="exponential", mean_s=1800)),
        }
        chain = Chain(simulation.kernel, simulation.modifiers, "order", steps, first="placed")
        Source(simulation.kernel, simulation.modifiers, "orders", Rate(3600, (DAY,)), chain.enter)


def replay(say: Say) -> Iterator[Result]:
    """What a restart costs: the replay of a day, with chains and draws of their own."""
    say("replay")
    simulation = Simulation(Shop(), seed=1, start_us=0)
    simulation.kernel.run_until(24 * HOUR_US)
    stored = simulation.snapshot()
    started_s = time.process_time()
    restore(Shop(), stored)
    per_s = stored.executed / (time.process_time() - started_s)
    yield Result("replay of a snapshot", per_s, "events/s", f"{stored.executed:,} events, one record each")


class Nowhere:
    """An outlet with eighty people and nobody behind it: calls are answered at once, events and tickets are counted."""

    events = tickets = 0

    def emit(self, stream: str, data: Mapping[str, Any], **more: Any) -> None:
        self.events += 1

    def tickets_wanted(self) -> int:
        return max(0, 96 - self.tickets)

    def open_ticket(self, draft: TicketDraft) -> bool:
        self.tickets += 1
        return True

    def active_people(self) -> int | None:
        return 80

    def keep_soon(self) -> None:
        return None

    async def call(self, role: str, method: str, path: str, *, body: Any = None, timeout_s: float) -> Answer:
        return Answer(200, {})


def commerce(say: Say) -> Iterator[Result]:
    """The commerce world in a session of 80, as the host runs it, at the highest pace there is: an hour a second."""
    say(f"commerce, pace {PACE} for {PACED_S} s")
    outlet, kind = Nowhere(), CommerceKind()
    started_s = time.process_time()
    world = kind.open(outlet, seed=1, saved=None)
    past_s = time.process_time() - started_s
    world.saved()
    world.kept()

    async def play() -> None:
        running = asyncio.create_task(world.run())
        while len(world.outbox):  # noqa: ASYNC110  the past is told first, it is not what is measured
            await asyncio.sleep(0.1)
        world.command("pace", factor=float(PACE))
        begun_s, begun_us = time.monotonic(), world.simulation.kernel.now_us
        spent_s, executed = time.process_time(), world.simulation.kernel.executed
        while time.monotonic() - begun_s < PACED_S:
            await asyncio.sleep(0.5)
            world.saved()
            world.kept()
        world.runner.advance()
        kernel, wall_s = world.simulation.kernel, time.monotonic() - begun_s
        figures.update(
            kept=(kernel.now_us - begun_us) / 1e6 / wall_s / PACE,
            per_s=(kernel.executed - executed) / wall_s,
            cores=(time.process_time() - spent_s) / wall_s,
        )
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    figures: dict[str, float] = {}
    asyncio.run(play())
    shown = f"{figures['per_s']:,.0f} events/s, {figures['cores']:.2f} of a core, saved twice a second"
    method = f"{shown}; worst {world.clock.worst_lag_ms:.1f} ms"
    yield Result(f"commerce: lag p99 at {PACE}×", world.clock.lag_p99_ms(), "ms", method, at_most=5)
    yield Result(f"commerce: pace kept at {PACE}×", figures["kept"], "", "simulated / due", at_least=0.99)
    begun_s = time.process_time()
    kind.open(outlet, seed=1, saved=world.saved())
    again_s = time.process_time() - begun_s
    days = world.business.settings.business.history_days
    method = (
        f"{world.simulation.kernel.executed:,} events replayed; {past_s:.2f} s for a new one with {days} days behind it"
    )
    yield Result("commerce: back after a restart", again_s, "s", method)


BENCH = Bench("the simulation kernel", run)
