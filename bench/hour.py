"""What a participant waits for: quickstart, up, dev, a run; and how far equal runs differ on a busy machine.

Uses a copy of the checkout and the installed commands as processes, on free ports, like a participant does; downloads
are not part of it. A figure that has to hold on a busy machine is taken beside a process that keeps one core busy.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench._checkout import Checkout
from bench.kit import Bench, Result, Say

BUSY_RUNS = 10


def measure(say: Say) -> Iterator[Result]:
    """Every figure, the quick ones first."""
    with tempfile.TemporaryDirectory() as scratch:
        kit = Checkout(Path(scratch))
        try:
            yield from _first_minute(kit, say)
            yield from _again(kit, say)
            yield from _busy(kit, say)
        finally:
            kit.timed("down")


def _first_minute(kit: Checkout, say: Say) -> Iterator[Result]:
    say("quickstart")
    took_s, out = kit.timed("quickstart")
    starter = int(out.strip().splitlines()[-1].split("score=")[1].split()[0])
    method = "labdriver quickstart from nothing to the score line, packages installed"
    yield Result("quickstart", took_s, "s", method, at_most=60)
    yield Result("score of the starter", starter, "points", "the last line of quickstart", at_most=35)
    took_s, _ = kit.timed("up")
    yield Result("up when already up", took_s, "s", "the whole command", at_most=3)
    kit.timed("down")
    took_s, _ = kit.timed("up")
    yield Result("up from down, warm", took_s, "s", "the whole command", at_most=8)


def _again(kit: Checkout, say: Say) -> Iterator[Result]:
    say("edit, dev, run")
    kit.put("timeouts", "solution")
    took_s, _ = kit.timed("dev")
    yield Result("edit saved to edited code in service", took_s, "s", "labdriver dev after one edit", at_most=2)
    took_s, answer = kit.run("timeouts")
    head = json.loads(Path(answer["report"]).with_name("run.json").read_text())
    beyond_s = took_s - head["scenario"]["warm_up_s"] - head["end_s"]
    yield Result("one run with report", took_s, "s", "labdriver run timeouts, the whole command", at_most=45)
    yield Result("beyond warm-up, load and settling", beyond_s, "s", "the same run, the whole command", at_most=3)
    yield Result("score of the solution", answer["score"], "points", "the same run", at_least=90)


def _busy(kit: Checkout, say: Say) -> Iterator[Result]:
    scores, invalid = [], 0
    with _one_core_busy():
        for n in range(BUSY_RUNS):
            _, answer = kit.run("timeouts")
            say(f"busy run {n + 1} of {BUSY_RUNS}: {answer['score']} {answer['verdict']}")
            if answer["verdict"] == "VALID":
                scores.append(answer["score"])
            else:
                invalid += 1
    spread = max(scores) - min(scores) if scores else None
    method = f"solution, a busy loop beside it: {len(scores)} VALID {scores}, {invalid} INVALID"
    yield Result("spread of the score, one core busy", spread, "points", method, at_most=4)


@contextmanager
def _one_core_busy() -> Iterator[None]:
    """A process that does nothing but use one core, ended with the block."""
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        loop.kill()
        loop.wait()


BENCH = Bench("what a participant waits for, and how far equal runs differ", measure)
