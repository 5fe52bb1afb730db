"""Whether a run counts: VALID, or INVALID with every reason in words and figures.

Only what the kit itself got wrong makes a run INVALID: the load was not sent as planned, the fault did not land, the
stack was restarted under it or in maintenance, its replicas could not be measured, somebody stopped it. What the
service did, however bad, is the participant's and counts.
"""

import math
import statistics
from collections.abc import Iterator
from typing import Literal

from labdriver.record import Record
from labdriver.score.evidence import share
from labdriver.score.rule import percent

Verdict = Literal["VALID", "INVALID"]

LAG_P99_MS = 50.0  # later than this and waiting in our own process shows in what we measure
UNSENT_RATIO = 0.02
STRETCH_RATIO = 5.0  # median; what needs a fifth of a core begins to starve here, and scores begin to move
SIGMAS = 4.0  # below a binomial's mean: chance puts a share this low in 1 of 30,000 runs
UNMEASURED_RATIO = 0.2  # of the seconds of a lab that scales; with more of them gone nobody knows what happened
# Median; a replica that works so much slower than its pace, within its limit, is kept from the CPU. Of 30 runs, the
# right fixes that scored as they should had 1.0 to 1.14; one that lost a third of its points had 1.5.
PACE_FACTOR = 1.4
LIMIT_RATIO = 0.8  # of its limit; who uses more is slow because of it
API = "api"
LEFT_EARLY_RATIO = 0.05  # of calls; above it a late fault cannot be told from a caller who did not wait for it


def of(record: Record) -> tuple[Verdict, str]:
    """The verdict, and why it is INVALID (empty for VALID). Reads the record only."""
    reasons = [
        *_cut_short(record),
        *_sent_badly(record),
        *_starved(record),
        *_restarted(record),
        *_maintained(record),
        *_fault_missed(record),
        *_unmeasured(record),
        *_unfed(record),
    ]
    return ("INVALID", "; ".join(reasons)) if reasons else ("VALID", "")


def crowded(record: Record) -> bool:
    """Whether the machine was too busy for this run to count, so that the same run may do better in a while."""
    return any(True for reasons in (_sent_badly, _starved, _unfed) for _ in reasons(record))


def _cut_short(record: Record) -> Iterator[str]:
    head = record.head
    if head.ended == "interrupted":
        yield f"interrupted at {head.load_s:.0f} s of {head.scenario.load_s:.0f} s"
    elif head.ended == "watchdog":
        yield f"the load did not end by itself: the watchdog stopped it after {head.load_s:.0f} s"
    if not record.scored():
        yield "no request of the scored load was recorded"


def _sent_badly(record: Record) -> Iterator[str]:
    if record.head.generator is None:
        yield "the load generator left no account of itself"
        return
    lag_ms = record.head.generator.lag_p99_ms
    if lag_ms > LAG_P99_MS:
        yield (
            f"the load generator fell behind: 1 request in 100 went out {lag_ms:.0f} ms late or more, at most "
            f"{LAG_P99_MS:.0f} ms are tolerated; this machine was too busy"
        )
    rows = record.scored()
    unsent = sum(row.outcome == "unsent" for row in rows)
    if record.head.ended == "complete" and share(unsent, len(rows)) > UNSENT_RATIO:
        told = percent(unsent / len(rows))
        yield f"the load generator did not send {unsent} of {len(rows)} planned requests ({told})"


def _starved(record: Record) -> Iterator[str]:
    """The machine had no CPU to give, to us or to anybody: what the service did says nothing about its code."""
    ratios = [
        sample.values["machine.stretch_ratio"]
        for sample in record.samples
        if "machine.stretch_ratio" in sample.values and 0 <= sample.t_s <= record.head.load_s
    ]
    if ratios and statistics.median(ratios) > STRETCH_RATIO:
        told = f"{statistics.median(ratios):.1f}"
        yield (
            f"this machine was too busy: a short piece of work took {told} times its CPU time, "
            f"at most {STRETCH_RATIO:g} times is tolerated"
        )


def _restarted(record: Record) -> Iterator[str]:
    restarts = {role: count for role, count in sorted(record.head.stack.restarts.items()) if count > 0}
    if restarts:
        told = ", ".join(f"{role} {'once' if count == 1 else f'{count} times'}" for role, count in restarts.items())
        yield f"the stack restarted during the run: {told}"


def _maintained(record: Record) -> Iterator[str]:
    """The api turned everybody away: what the callers saw was not the edit. Labs that do not ask it do not care."""
    if all(request.role != API for request in record.head.scenario.requests):
        return
    closed = [s for s in record.samples if s.values.get(f"{API}.maintenance_left_s", 0) > 0]
    counts = [count for s in record.samples if (count := s.values.get(f"{API}.maintenance_refused")) is not None]
    refused = max(counts) - counts[0] if counts else 0
    why = record.head.stack.maintenance
    if closed or refused or why:
        seen = f" at {max(0, closed[0].t_s):.0f} s" if closed else ""
        because = f" ({why})" if why else ""
        turned = f" and turned {refused:.0f} requests away" if refused else ""
        yield f"the api was in maintenance during the run{seen}{because}{turned}"


def _fault_missed(record: Record) -> Iterator[str]:
    dependency = record.head.dependency
    if dependency is None:
        yield "the dependency's ledger could not be read, so no answer can be checked"
        return
    if not dependency.intact:
        yield f"the dependency did not follow its script: {dependency.why or 'no reason is known'}"
        return
    promised: dict[str, float] = {}  # fault kind → calls that should have been spoilt
    variance: dict[str, float] = {}
    waited, left = 0, 0
    for calls, shares in _faulty_calls(record):
        stayed = sum(outcome != "abandoned" for outcome in calls)
        waited, left = waited + stayed, left + len(calls) - stayed
        for kind, ratio in shares.items():
            promised[kind] = promised.get(kind, 0) + stayed * ratio
            variance[kind] = variance.get(kind, 0) + stayed * ratio * (1 - ratio)
    if share(left, waited + left) > LEFT_EARLY_RATIO:
        promised, variance = {"": sum(promised.values())}, {"": sum(variance.values())}
    for kind, expected in promised.items():
        got = dependency.injected.get(kind, 0) if kind else sum(dependency.injected.values())
        if got < expected - SIGMAS * math.sqrt(variance[kind]) - 1:
            yield (
                f"the fault {kind or '(any kind)'} hardly landed: {got} of {waited} calls were spoilt, "
                f"about {expected:.0f} were promised"
            )


def _faulty_calls(record: Record) -> Iterator[tuple[list[str], dict[str, float]]]:
    """For each phase and operation with faults: the outcomes of its calls, and the share promised to each fault."""
    for phase in record.head.scenario.phases:
        for operation, behaviour in phase.dependency.items():
            shares: dict[str, float] = {}
            for fault in behaviour.faults:
                shares[fault.kind] = shares.get(fault.kind, 0) + fault.share_ratio
            if shares:
                calls = [c.outcome for c in record.calls if c.phase == phase.name and c.operation == operation]
                yield calls, shares


def _unmeasured(record: Record) -> Iterator[str]:
    role = record.head.scenario.scales
    if role is None:
        return
    seconds = [s.values for s in record.samples if 0 <= s.t_s <= record.head.load_s]
    blind = sum(values.get(f"{role}.is_measured") != 1 for values in seconds)
    if not seconds or share(blind, len(seconds)) > UNMEASURED_RATIO:
        yield (
            f"the processor use of {role} could not be read in {blind} of {len(seconds)} seconds: the platform's "
            "metrics failed, not the edit"
        )


def _unfed(record: Record) -> Iterator[str]:
    """Replicas that are scaled must get the processor that they are allowed, or more of them do not help."""
    role = record.head.scenario.scales
    bodies = [row.body for row in record.scored() if role and row.outcome == "ok" and row.body]
    factors = [body["took_ms"] / body["pace_ms"] for body in bodies if body.get("pace_ms")]
    if not factors or statistics.median(factors) <= PACE_FACTOR:
        return
    limits = [s.values for s in record.samples if f"{role}.limit_cores" in s.values]
    used = [values.get(f"{role}.replica_cores", 0) / values[f"{role}.limit_cores"] for values in limits]
    if used and max(used) > LIMIT_RATIO:
        return
    yield (
        f"this machine was too busy: the work of {role} took {statistics.median(factors):.1f} times as long as its "
        f"pace, at most {PACE_FACTOR:g} times is tolerated, and no limit of its own held it back"
    )
