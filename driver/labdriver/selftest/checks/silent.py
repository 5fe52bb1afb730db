"""A server that takes every request and never answers: all of them must be in the books, none as a success.

The server's own count is the truth. Common load tools report nothing here, and pass (load.md M5).
"""

from collections import Counter

from labdriver.selftest.bed import load, scenario
from labdriver.selftest.check import Check, Figure, Finding, Say
from labdriver.selftest.server import Server

RATE_RPS = 50
DURATION_S = 2.0


def run(say: Say) -> Finding:
    """Load the mute server and count."""
    say(f"silent: {RATE_RPS} requests a second for {DURATION_S:g} s to a server that never answers")
    chosen = scenario(rate_rps=RATE_RPS, duration_s=DURATION_S, settle_s=0.5)
    with Server(mute=True) as server:
        result = load(chosen, server.url)
    counts = Counter(row.outcome for row in result.rows)
    planned = round(RATE_RPS * (DURATION_S + chosen.warm_up_s))
    return Finding(
        (
            Figure("accounted_ratio", counts["hung"] / planned, at_least=1.0, at_most=1.0),
            Figure("ok_count", counts["ok"], at_least=0, at_most=0),
        ),
        f"{planned} planned, {counts['hung']} hung, {counts['failed']} failed, {counts['unsent']} unsent",
    )


CHECK = Check("Requests that are never answered are all accounted for", run)
