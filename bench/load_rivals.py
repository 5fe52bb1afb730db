"""Other load tools beside ours, in the same minute against the same server: the machine's mood falls on both."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from bench.kit import Result, Say
from labdriver.load.drive import Job, drive
from labdriver.load.plan import plan
from labdriver.load.rows import percentile
from labdriver.selftest.bed import scenario
from labdriver.selftest.server import Server

ROUNDS = 7
RATE_RPS = 500
ROUND_S = 3
TO_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def added_p99(say: Say) -> Iterator[Result]:
    """Our p99 from the intended start, less the p99 of a single connection of wrk."""
    name = "added p99 over wrk -t1 -c1"
    wrk = shutil.which("wrk")
    if wrk is None:
        yield Result(name, None, "ms", "wrk is not installed")
        return
    ours_ms, theirs_ms = [], []
    with Server() as server:
        for n in range(ROUNDS):
            say(f"wrk, round {n + 1} of {ROUNDS}")
            theirs_ms.append(_wrk_p99_ms(wrk, server.url))
            ours_ms.append(_ours(server.url)[0])
    added = median(ours - theirs for ours, theirs in zip(ours_ms, theirs_ms, strict=True))
    method = (
        f"{RATE_RPS} rps, {ROUNDS} interleaved rounds of {ROUND_S} s, median of differences; "
        f"medians: ours {median(ours_ms):.2f}, wrk {median(theirs_ms):.2f} ms"
    )
    yield Result(name, added, "ms", method, at_most=1.0)


def cpu_per_request(say: Say) -> Iterator[Result]:
    """Processor time of the load process for one request, ours and FastHttpUser's."""
    ours_us, theirs_us = [], []
    with Server() as server:
        for n in range(3):
            say(f"FastHttpUser, round {n + 1} of 3")
            ours_us.append(_ours(server.url)[1])
            theirs_us.append(_fast_http_us(server.url))
    ratio = median(ours / theirs for ours, theirs in zip(ours_us, theirs_us, strict=True))
    method = (
        f"{RATE_RPS} rps evenly, 3 interleaved rounds of {ROUND_S} s, process time / requests; "
        f"medians: ours {median(ours_us):.0f}, FastHttpUser {median(theirs_us):.0f} µs"
    )
    yield Result("CPU per request / Locust FastHttpUser", ratio, "", method, at_most=0.6)


def _ours(url: str) -> tuple[float, float]:
    """p99 in ms from the intended start, and CPU µs per request."""
    chosen = scenario(rate_rps=RATE_RPS, duration_s=ROUND_S)
    result = drive(Job(chosen, plan(chosen, seed=1), {"api": url}), on_progress=lambda _: None)
    latencies_ms = sorted((r.done_s - r.intended_s) * 1e3 for r in result.rows if r.phase >= 0 and r.done_s is not None)
    cpu_ratio = result.generator.cpu_ratio if result.generator else float("nan")
    return percentile(latencies_ms, 99), cpu_ratio / RATE_RPS * 1e6


def _wrk_p99_ms(wrk: str, url: str) -> float:
    command = [wrk, "-t1", "-c1", f"-d{ROUND_S}s", "--latency", url]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=ROUND_S + 20).stdout
    found = re.search(r"^\s*99%\s+([\d.]+)(us|ms|s)$", told, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"wrk told no p99: {told}")
    return float(found[1]) * TO_MS[found[2]]


def _fast_http_us(url: str) -> float:
    """CPU µs per request of Locust as it is usually run, in a process of its own."""
    command = [sys.executable, "-m", "bench._fast_http", url, str(RATE_RPS), str(ROUND_S)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=ROUND_S + 30).stdout
    measured = json.loads(told.strip().splitlines()[-1])
    return float(measured["cpu_s"] / measured["requests"] * 1e6)
