"""A server that is stopped for 2 s in 10 s: the latency we report must be the one that users would have had.

Truth by arithmetic: a request due t seconds before the server goes on waits t, all others wait nothing. Load tools
that wait for answers before they send on report a fraction of it (load.md M4: 0.002 to 0.005 of the true p95).
"""

import threading
import time

from labdriver.load.rows import percentile
from labdriver.record import Record
from labdriver.selftest.bed import load, record_of, scenario
from labdriver.selftest.check import Check, Figure, Finding, Say
from labdriver.selftest.server import Server

RATE_RPS = 200
DURATION_S = 10.0
STOP_AT_S, STOP_FOR_S = 4.0, 2.0
LOW, HIGH = 0.97, 1.05


def run(say: Say) -> Finding:
    """Stop the server in mid-load and compare."""
    say(f"stopped: {RATE_RPS} requests a second for {DURATION_S:g} s, the server stopped for {STOP_FOR_S:g} s")
    chosen = scenario(rate_rps=RATE_RPS, duration_s=DURATION_S)
    moments_s: list[float] = []
    with Server() as server:

        def stop_and_go(t0_s: float) -> None:
            time.sleep(max(0.0, t0_s + STOP_AT_S - time.monotonic()))
            moments_s.append(server.pause() - t0_s)
            time.sleep(STOP_FOR_S)
            moments_s.append(server.resume() - t0_s)

        threads: list[threading.Thread] = []

        def at_start(t0_s: float) -> None:
            threads.append(threading.Thread(target=stop_and_go, args=(t0_s,)))
            threads[0].start()

        result = load(chosen, server.url, at_start=at_start)
        for thread in threads:
            thread.join()
    return judged(record_of(result, chosen, run="stopped"), stopped_s=moments_s[0], resumed_s=moments_s[1])


def judged(record: Record, *, stopped_s: float, resumed_s: float) -> Finding:
    """Reported against true p95; also that every request was answered."""
    rows = record.scored()
    true_s = sorted(resumed_s - r.intended_s if stopped_s <= r.intended_s < resumed_s else 0.0 for r in rows)
    reported_s = sorted(record.latency_s(row) for row in rows)
    true_p95_s, reported_p95_s = percentile(true_s, 95), percentile(reported_s, 95)
    ratio = round(reported_p95_s / true_p95_s, 4) if true_p95_s else None
    ok_ratio = sum(row.outcome == "ok" for row in rows) / len(rows) if rows else None
    return Finding(
        (Figure("reported_p95_ratio", ratio, at_least=LOW, at_most=HIGH), Figure("ok_ratio", ok_ratio, at_least=1.0)),
        f"p95 reported {reported_p95_s * 1e3:.0f} ms, true {true_p95_s * 1e3:.0f} ms",
    )


CHECK = Check("A stall shows in full: reported p95 against the true one", run)
