"""The test bed of the checks: a minimal scenario, one load against it, and its record.

checks ──▶ scenario(), load(), record_of() ──▶ load/drive.py, record.py
"""

import time
from collections.abc import Callable

from labdriver.lab import Scenario
from labdriver.load.drive import LEAD_S, START_DEADLINE_S, Job, LoadResult, drive
from labdriver.load.plan import plan
from labdriver.load.process import launch
from labdriver.record import Call, Dependency, Head, Record, Row, Stack

CLIENT = {"name": "plain", "share_ratio": 1, "headers": {"Accept": "application/json"}}


def scenario(
    *, rate_rps: float, duration_s: float, path: str = "/", warm_up_s: float = 0.5, settle_s: float = 2.0
) -> Scenario:
    """One phase of even arrivals of one request."""
    return Scenario.model_validate(
        {
            "schema_version": 1,
            "step": 1,
            "title": "selftest",
            "question": "Does the driver tell the truth?",
            "edit": "none",
            "roles": ["api"],
            "seed": 1,
            "warm_up_s": warm_up_s,
            "settle_s": settle_s,
            "phases": [{"name": "steady", "kind": "healthy", "duration_s": duration_s, "rate_rps": rate_rps}],
            "requests": [{"name": "plain", "path": path, "vary": {"sku": ["oak-65", "pine-30"]}}],
            "clients": [CLIENT],
            "books": {"books": "quotes", "params": {"operation": "pricing", "fresh_for_s": 5, "stale_for_s": 5}},
            "rules": [{"id": "all", "rule": "hung", "title": "all", "points": 100}],
        }
    )


def load(chosen: Scenario, url: str, *, at_start: Callable[[float], None] = lambda _: None) -> LoadResult:
    """Drive `chosen` against `url`. `at_start` is told t0 (monotonic seconds) before the first arrival."""
    child = launch()
    child.wait_ready(START_DEADLINE_S)
    t0_s = time.monotonic() + LEAD_S + chosen.warm_up_s
    at_start(t0_s)
    job = Job(chosen, plan(chosen, seed=chosen.seed), {"api": url}, t0_s)
    return drive(job, on_progress=lambda _: None, child=child)


def record_of(result: LoadResult, chosen: Scenario, *, run: str) -> Record:
    """The record of a load. The dependency's ledger is written from the answers, so every answer is a right one."""
    calls = tuple(_call(row) for row in result.rows if row.body and "price_ref" in row.body)
    head = Head(
        lab="selftest",
        run=run,
        by="selftest",
        runtime="selftest",
        started_at="1970-01-01T00:00:00Z",
        scenario=chosen,
        ended=result.ended,
        load_s=result.load_s,
        end_s=result.end_s,
        generator=result.generator,
        dependency=Dependency(intact=True, calls=len(calls), injected={}),
        stack=Stack(),
    )
    return Record(head, result.rows, (), calls)


def _call(row: Row) -> Call:
    assert row.body is not None
    at_s = row.sent_s if row.sent_s is not None else row.intended_s
    answer = {name: row.body[name] for name in ("sku", "price_cents", "currency", "price_ref")}
    return Call(row.body["price_ref"], "pricing", row.body["sku"], "steady", at_s, row.done_s, "answered", answer)
