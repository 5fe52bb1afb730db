"""Makes records of runs that never happened: a small simulation of the timeouts lab, quick and seeded.

    strategy (what an edit does) + scenario + seed ──▶ build() ──▶ Record

Arrivals, a shared pool of connections and a dependency that hangs, errs and drops by the scenario's shares; no
processor, no network. `python -m tests.driver.record_builder FOLDER` writes a small gallery of runs for the eye.
"""

import heapq
import random
import sys
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

from tests.driver.strategies import Ask, Asked, Got, Steps, Strategy, deadline, invented_price, starter

from labdriver import lab, record
from labdriver.lab import Scenario
from labdriver.record import Call, Dependency, Head, Outcome, Record, Row, Sample, Stack

ROOT = Path(__file__).resolve().parents[2]
START = datetime(2026, 11, 21, 10, 15, 2, tzinfo=UTC)


@dataclass
class Flight:
    """One request on its way through the simulated service."""

    row: Row
    steps: Steps
    call: Call | None = None
    over: bool = False  # the step it waits for has ended
    holds: bool = False  # a connection


@dataclass
class Simulation:
    scenario: Scenario
    strategy: Strategy
    dice: random.Random
    pool: int
    noise_ms: float
    now_s: float = 0.0
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    ticket: int = 0
    waiting: deque[tuple[Flight, Callable[[Got], None]]] = field(default_factory=deque)
    rows: dict[int, Row] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    decks: dict[str, list[str]] = field(default_factory=dict)

    def at(self, t_s: float, do: Callable[[], None]) -> None:
        self.ticket += 1
        heapq.heappush(self.events, (t_s, self.ticket, do))

    def run(self, planned: list[Row], end_s: float) -> None:
        for row in planned:
            self.rows[row.seq] = row
            self.at(row.sent_s or 0.0, partial(self.arrive, row))
        while self.events and self.events[0][0] <= end_s:
            self.now_s, _, do = heapq.heappop(self.events)
            do()
        self.rows = {seq: settle(row) for seq, row in self.rows.items()}

    def arrive(self, row: Row) -> None:
        client = self.scenario.clients[row.client]
        sku = row.target.rpartition("/")[2]
        flight = Flight(row, self.strategy(Asked(sku, client.headers.get("User-Agent", ""), self.known)))
        self.go_on(flight, None)

    def go_on(self, flight: Flight, got: Got | None) -> None:
        try:
            step = next(flight.steps) if got is None else flight.steps.send(got)
        except StopIteration as stop:
            self.answer(flight.row, *stop.value)
            return
        if isinstance(step, Ask):
            self.ask(flight, step)
        elif step.for_s is not None:
            self.at(self.now_s + step.for_s, lambda: self.go_on(flight, Got("waited")))

    def answer(self, row: Row, status: int, body: dict[str, Any] | None) -> None:
        done_s = self.now_s + 0.002 + self.dice.expovariate(1000 / self.noise_ms)
        outcome: Outcome = "ok" if status < 400 else "failed"
        self.rows[row.seq] = replace(row, done_s=done_s, outcome=outcome, status=status, body=body, error="")

    def ask(self, flight: Flight, step: Ask) -> None:
        over = False

        def end(got: Got) -> None:
            nonlocal over
            if over:
                return
            over = True
            if flight.holds:
                flight.holds = False
                self.pool += 1
                self.admit()
            self.go_on(flight, got)

        if step.deadline_s is not None:
            self.at(self.now_s + step.deadline_s, lambda: None if over else self.leave(flight, end))
        self.waiting.append((flight, end))
        flight.call = None
        self.admit()

    def leave(self, flight: Flight, end: Callable[[Got], None]) -> None:
        """The caller's time is up, waiting for a connection or for an answer."""
        self.waiting = deque(entry for entry in self.waiting if entry[0] is not flight)
        if flight.call is not None:
            held = flight.call.outcome in ("hang", "trickle")
            self.close(flight.call, outcome=flight.call.outcome if held else "abandoned", price=None)
        end(Got("late"))

    def admit(self) -> None:
        while self.pool > 0 and self.waiting:
            flight, end = self.waiting.popleft()
            self.pool -= 1
            flight.holds = True
            self.call(flight, end)

    def call(self, flight: Flight, end: Callable[[Got], None]) -> None:
        """One call arrives at the dependency."""
        phase = self.phase_name(self.now_s)
        behaviour = next(p for p in self.scenario.phases if p.name == phase or phase == "warm-up").dependency["pricing"]
        kind = self.deal(phase, {f.kind: f.share_ratio for f in behaviour.faults})
        number = len(self.calls)
        sku = flight.row.target.rpartition("/")[2]
        made = Call(f"c{number}", "pricing", sku, phase, self.now_s, None, kind or "in_flight", None)
        self.calls.append(made)
        flight.call = made
        if kind in ("hang", "trickle"):
            return
        median_ms, sigma = behaviour.latency.median_ms or 1, behaviour.latency.sigma or 0
        later_s = self.now_s + self.dice.lognormvariate(0, sigma) * median_ms / 1000
        self.at(later_s, lambda: self.finish(flight, made, end, kind))

    def finish(self, flight: Flight, made: Call, end: Callable[[Got], None], kind: str) -> None:
        if flight.call is not made or not flight.holds:
            return
        if kind:
            self.close(made, outcome=kind, price=None)
            end(Got(kind))
            return
        price = {
            "sku": made.key,
            "price_cents": 8_000_000 + zlib.crc32(f"{made.key}/{int(self.now_s)}".encode()) % 24_000_000,
            "currency": "USD",
            "price_ref": f"q-{made.id}",
            "priced_at_s": round(self.now_s, 3),
        }
        self.close(made, outcome="answered", price=price)
        end(Got("answered", price))

    def close(self, made: Call, *, outcome: str, price: dict[str, Any] | None) -> None:
        number = int(made.id[1:])
        self.calls[number] = replace(made, done_s=self.now_s, outcome=outcome, answer=price)

    def phase_name(self, t_s: float) -> str:
        if t_s < 0:
            return "warm-up"
        for phase in self.scenario.phases:
            t_s -= phase.duration_s
            if t_s < 0:
                return phase.name
        return self.scenario.phases[-1].name

    def deal(self, phase: str, shares: dict[str, float]) -> str:
        """The fault of the next call, dealt from blocks of 20 as depsim does."""
        deck = self.decks.setdefault(phase, [])
        if not deck:
            deck += [kind for kind, ratio in shares.items() for _ in range(round(ratio * 20))]
            deck += [""] * (20 - len(deck))
            self.dice.shuffle(deck)
        return deck.pop()


def settle(row: Row) -> Row:
    return row if row.done_s is not None else replace(row, outcome="hung", error="hung")


def plan(scenario: Scenario, dice: random.Random, lag_ms: float) -> list[Row]:
    """Every request of the schedule as a row that has no answer yet; callers dealt in blocks of 20."""
    rows: list[Row] = []
    skus = scenario.requests[0].vary["sku"]
    spans = [(-1, -scenario.warm_up_s, scenario.warm_up_s, scenario.phases[0].rate_rps)]
    start_s = 0.0
    for index, phase in enumerate(scenario.phases):
        spans.append((index, start_s, phase.duration_s, phase.rate_rps))
        start_s += phase.duration_s
    block: list[int] = []
    for index, begin_s, duration_s, rate_rps in spans:
        for i in range(round(duration_s * rate_rps)):
            if not block:
                block = [c for c, client in enumerate(scenario.clients) for _ in range(round(client.share_ratio * 20))]
                dice.shuffle(block)
            due_s = begin_s + i / rate_rps
            sent_s = due_s + dice.expovariate(1000 / lag_ms)
            target = f"/quotes/{dice.choice(skus)}"
            rows.append(Row(len(rows), index, 0, block.pop(), target, due_s, sent_s, None, "hung", 0, "hung", None))
    return rows


@cache
def scenario_of(lab_id: str = "timeouts") -> Scenario:
    return lab.load(ROOT / "labs", lab_id).scenario


def build(
    strategy: Strategy,
    *,
    seed: int = 1,
    scenario: Scenario | None = None,
    pool: int = 20,
    noise_ms: float = 1.0,
    lag_ms: float = 0.1,
    by: str = "alice",
    run: int = 0,
) -> Record:
    """Simulate one run. `run` counts runs: each starts three minutes after the one before."""
    scenario = scenario or scenario_of()
    dice = random.Random(seed)
    simulation = Simulation(scenario, strategy, dice, pool, noise_ms, now_s=-scenario.warm_up_s)
    end_s = scenario.load_s + scenario.settle_s
    simulation.run(plan(scenario, dice, lag_ms), end_s)
    rows = tuple(simulation.rows[seq] for seq in sorted(simulation.rows))
    injected: dict[str, int] = {}
    for call in simulation.calls:
        if call.outcome not in ("answered", "abandoned", "in_flight"):
            injected[call.outcome] = injected.get(call.outcome, 0) + 1
    started = START + timedelta(minutes=3 * run)
    lags = sorted((row.sent_s or 0) - row.intended_s for row in rows)
    head = Head(
        lab="timeouts",
        run=started.strftime("%Y%m%dT%H%M%SZ"),
        by=by,
        runtime="local",
        started_at=started.isoformat(timespec="milliseconds"),
        scenario=scenario,
        ended="complete",
        load_s=scenario.load_s,
        end_s=end_s if any(row.done_s is None for row in rows) else max(row.done_s or 0 for row in rows),
        overhead_s=1.9,
        generator=record.Generator(
            lag_p50_ms=lags[len(lags) // 2] * 1000,
            lag_p99_ms=lags[int(len(lags) * 0.99)] * 1000,
            lag_max_ms=lags[-1] * 1000,
            cpu_ratio=0.07,
            pacing="timerfd",
        ),
        dependency=Dependency(intact=True, calls=len(simulation.calls), injected=injected, clock_offset_ms=0.2),
        stack=Stack(code={"api": "3f2a9c11d0aa"}),
    )
    return Record(head, rows, tuple(samples(rows, head.end_s, dice)), tuple(simulation.calls))


def samples(rows: tuple[Row, ...], end_s: float, dice: random.Random) -> list[Sample]:
    """What probes would have read once a second."""
    found = []
    for second in range(int(end_s) + 1):
        open_now = sum(
            row.sent_s is not None and row.sent_s <= second and (row.done_s is None or row.done_s > second)
            for row in rows
        )
        values = {
            "api.in_flight": float(open_now),
            "api.cpu_ratio": 0.12 + 0.03 * dice.random() + open_now / 8000,
            "depsim.cpu_ratio": 0.05 + 0.02 * dice.random(),
        }
        found.append(Sample(second + 0.02, values))
    return found


def cut(made: Record, at_s: float) -> Record:
    """The same run, interrupted at `at_s`: open requests hang, later ones were never sent."""

    def row_at_end(row: Row) -> Row:
        if row.intended_s >= at_s:
            return replace(row, sent_s=None, done_s=None, outcome="unsent", status=0, error="unsent", body=None)
        if row.done_s is None or row.done_s > at_s:
            return replace(row, done_s=None, outcome="hung", status=0, error="hung", body=None)
        return row

    head = made.head.model_copy(update={"ended": "interrupted", "load_s": at_s, "end_s": at_s + 0.1})
    samples_before = tuple(sample for sample in made.samples if sample.t_s <= at_s)
    return Record(
        head, tuple(map(row_at_end, made.rows)), samples_before, tuple(c for c in made.calls if c.at_s < at_s)
    )


def gallery(reports: Path) -> list[Path]:
    """Write the records of a participant's way from starter to solution, and of three others."""
    story = [
        ("bob", deadline(0.5)),
        ("alice", starter),
        ("alice", deadline(5.0)),
        ("alice", deadline(0.5)),
        ("<b>mallory</b> & co", invented_price),
        ("carol", starter),
    ]
    folders = []
    for number, (by, strategy) in enumerate(story):
        made = build(strategy, seed=number + 1, by=by, run=number)
        if by == "carol":
            made = cut(made, 7.4)
        folder = reports / made.head.lab / made.head.run
        record.save(folder, made, None)
        folders.append(folder)
    return folders


if __name__ == "__main__":
    for written in gallery(Path(sys.argv[1])):
        print(written)
