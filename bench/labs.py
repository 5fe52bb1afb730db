"""How far equal runs of each lab's solution differ, how long a run takes, and how soon who fell behind is back.

Whole runs, one after the other on one stack, in a copy of the checkout.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench._checkout import Checkout
from bench.kit import Bench, Result, Say

RUNS = 10
RUN_S = {"autoscale": 80}  # an autoscaler takes its time; all others: USUAL_S
USUAL_S = 45


def measure(say: Say) -> Iterator[Result]:
    """Every figure, lab by lab."""
    with tempfile.TemporaryDirectory() as scratch:
        kit = Checkout(Path(scratch))
        try:
            kit.timed("up")
            for lab in kit.labs:
                yield from _lab(kit, lab, say)
        finally:
            kit.timed("down")


def _lab(kit: Checkout, lab: str, say: Say) -> Iterator[Result]:
    took_s, _ = kit.timed("rescue", lab)
    yield Result(f"{lab}: fallen behind to rejoined", took_s, "s", "labdriver rescue, the whole command", at_most=60)
    scores, times_s, invalid = [], [], 0
    for n in range(RUNS):
        took_s, answer = kit.run(lab)
        say(f"{lab}: run {n + 1} of {RUNS}: {answer['score']} {answer['verdict']}, {took_s:.0f} s")
        times_s.append(took_s)
        if answer["verdict"] == "VALID":
            scores.append(answer["score"])
        else:
            invalid += 1
    told = f"{len(scores)} VALID {scores}, {invalid} INVALID"
    spread = max(scores) - min(scores) if scores else None
    yield Result(f"{lab}: spread of the solution's score", spread, "points", told, at_most=4)
    yield Result(f"{lab}: least score of the solution", min(scores, default=None), "points", told, at_least=90)
    longest_s = RUN_S.get(lab, USUAL_S)
    yield Result(f"{lab}: longest run", max(times_s), "s", "labdriver run, the whole command", at_most=longest_s)


BENCH = Bench("equal runs of every lab's solution", measure)
