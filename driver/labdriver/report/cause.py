"""The run in one or two sentences, read from its data: what happened to the dependency, and what that did to people.

Every figure in it is counted from the record; nothing is said that the record does not show.
"""

from collections import Counter

from labdriver.report.panel import View
from labdriver.score.evidence import own_words, share
from labdriver.score.metrics import told_ms
from labdriver.score.rule import percent

WORDS = {"hang": "hung", "error": "failed", "drop": "were cut off", "trickle": "trickled in", "slow": "came late"}
NEVER_A_CALL = ("answered", "abandoned", "in_flight")
MANY_RATIO = 0.05
FEW_RATIO = 0.01
GOOD_RATIO = 0.9


def cause(view: View) -> str:
    """What happened, for the head of the page."""
    if not view.evidence.claims:
        return "Nothing was measured, so nothing can be said."
    return own_words(view.evidence) or " ".join(part for part in (_fault(view), _effect(view)) if part)


def _fault(view: View) -> str:
    """What the dependency did during its fault, by its own ledger."""
    told = []
    for index, phase in enumerate(view.record.head.scenario.phases):
        lasted_s = round(min(phase.duration_s, view.load_s - view.evidence.phase_starts_s[index]), 1)
        if phase.kind != "fault" or lasted_s <= 0:
            continue
        for operation in phase.dependency:
            outcomes = Counter(
                c.outcome for c in view.record.calls if c.phase == phase.name and c.operation == operation
            )
            spoilt = [(kind, count) for kind, count in sorted(outcomes.items(), key=_rank) if kind not in NEVER_A_CALL]
            if not outcomes:
                told.append(f"{operation} was unwell for {lasted_s:g} s and was never called meanwhile")
            elif spoilt:
                shares = [(percent(count / outcomes.total()), WORDS.get(kind, kind)) for kind, count in spoilt]
                first, *others = shares
                parts = [f"{first[0]} of {operation} calls {first[1]}", *(f"{ratio} {word}" for ratio, word in others)]
                told.append(f"for {lasted_s:g} s, {_listed(parts)}")
    return f"{_sentence('; '.join(told))}." if told else ""


def _effect(view: View) -> str:
    """What that did to people; the worst that the record shows comes first."""
    m = view.card.metrics
    noun = view.record.head.scenario.requests[0].name
    if m["dishonest"] > FEW_RATIO * m["attempted"]:
        claimed = sum(claim.row.outcome == "ok" for claim in view.evidence.claims)
        return f"{m['dishonest']:,} of {claimed:,} answers were false: the dependency's ledger does not know them."
    if m["hung"] == m["attempted"]:
        return f"None of {m['attempted']:,} requests was answered, not even while all was well."
    if m["hung"] > MANY_RATIO * m["attempted"]:
        return (
            f"{m['hung']:,} of {m['attempted']:,} requests were still waiting at the end: nothing limits how long a "
            f"{noun} waits.{_aftermath(view)}"
        )
    healthy_ratio = _in_time_ratio(view, "healthy")
    if healthy_ratio is not None and healthy_ratio < GOOD_RATIO:
        return f"Even while all was well, only {percent(healthy_ratio)} of requests got a right answer in time."
    seen = view.evidence
    late = [c for c in seen.claims if seen.latency_ms(c.row) > seen.patience_ms(c.row)]
    if len(late) > MANY_RATIO * m["attempted"]:
        return (
            f"{len(late):,} of {m['attempted']:,} people waited longer than {seen.patience_ms(late[0].row):,.0f} ms "
            f"(p95 {told_ms(m, 'p95')}): the limit is longer than their patience.{_aftermath(view)}"
        )
    in_time = percent(share(m["in_time"], m["attempted"]))
    slowest_ms = max(view.evidence.latency_ms(claim.row) for claim in view.evidence.claims)
    return f"Still, {in_time} of requests got a right answer in time; nobody waited longer than {slowest_ms:,.0f} ms."


def _aftermath(view: View) -> str:
    """Whether the outage outlived the fault."""
    ratio = _in_time_ratio(view, "recovery")
    if ratio is None or ratio >= GOOD_RATIO:
        return ""
    served = f"only {percent(ratio)} were" if ratio else "nobody was"
    return f" The fault ended, the outage did not: {served} served in time after it."


def _in_time_ratio(view: View, kind: str) -> float | None:
    claims = view.evidence.in_kinds((kind,))
    return share(sum(view.evidence.in_time(c) for c in claims), len(claims)) if claims else None


def _rank(item: tuple[str, int]) -> tuple[int, int, str]:
    """Most frequent first; of equals, the order in which WORDS has them."""
    kind, count = item
    return -count, list(WORDS).index(kind) if kind in WORDS else len(WORDS), kind


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
