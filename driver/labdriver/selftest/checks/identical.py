"""Identical runs compared with each other, both ways round: none may come out as improved.

The same server, the same load, several times; only chance and the machine differ. Comparing single requests calls nine
of ten such pairs a change (load.md M10), which is why `score/compare.py` does not.
"""

from collections import Counter
from itertools import permutations

from labdriver.score.compare import compare
from labdriver.selftest.bed import load, record_of, scenario
from labdriver.selftest.check import Check, Figure, Finding, Say
from labdriver.selftest.server import Server

RUNS = 8
RATE_RPS = 80
DURATION_S = 2.0


def run(say: Say) -> Finding:
    """Make the runs and compare every ordered pair."""
    chosen = scenario(rate_rps=RATE_RPS, duration_s=DURATION_S, path="/quotes/{sku}")
    records = []
    for n in range(RUNS):
        say(f"identical: run {n + 1} of {RUNS}")
        with Server(seed=n) as server:
            records.append(record_of(load(chosen, server.url), chosen, run=f"identical-{n + 1}"))
    verdicts = Counter(compare(before, after).verdict for before, after in permutations(records, 2))
    compared = verdicts.total() - verdicts["refused"]
    return Finding(
        (
            Figure("improved_ratio", verdicts["improved"] / compared if compared else None, at_most=0.0),
            Figure("compared_ratio", round(compared / verdicts.total(), 3), at_least=0.5),
        ),
        f"{verdicts.total()} ordered pairs of {RUNS} runs: "
        + ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())),
    )


CHECK = Check("Identical runs: no false improvement", run)
