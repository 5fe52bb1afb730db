"""Quick jobs count only on a worker that does all its work: what `completion` and `completion_tail` ask first.

Fast jobs are easily quick when the others are dropped, put off for ever, or all run at once. So these rules give
nothing when too few of the other jobs get done, too many results are false, or more jobs run at once than the
worker has room for.
"""

from pydantic import Field

from labdriver.lab import Model, Name, Share
from labdriver.score import jobs
from labdriver.score.evidence import Claim, Evidence, share
from labdriver.score.rule import Judged, losses, percent


class GateParams(Model):
    request: Name  # whose jobs are judged
    others: Name  # the request whose jobs must get done too
    needs_others_ratio: Share  # share of them that are done by the end of the run
    allows_false_ratio: Share  # share of false results among all requests
    allows_at_once: int = Field(ge=1)  # jobs at once


def done_ratio(claims: list[Claim]) -> float:
    """Share of claims whose job was done by the end of the run."""
    return share(sum(claim.right for claim in claims), len(claims))


def most_at_once(evidence: Evidence) -> tuple[int, float]:
    """Most jobs that ran at once, and when that was first so. (0, 0) when none ever ran."""
    steps = jobs.running(jobs.of(evidence.record).values())
    most = max((count for _, count in steps), default=0)
    return most, next((t_s for t_s, count in steps if count == most), 0.0)


def behind(evidence: Evidence, params: GateParams, judged: Judged) -> Judged:
    """`judged`, unless it gives points and the gate is closed; then what closed it."""
    if not judged.share:
        return judged
    lies = evidence.dishonest
    if share(len(lies), len(evidence.claims)) > params.allows_false_ratio:
        return Judged(
            0,
            f"{len(lies)} of {len(evidence.claims)} jobs were recorded as finished and were not done: "
            "quick is no merit then",
            losses(lies),
        )
    others = jobs.claims_of(evidence, params.others)
    if done_ratio(others) < params.needs_others_ratio:
        return Judged(
            0,
            f"only {percent(done_ratio(others))} of the {params.others} jobs got done, "
            f"{percent(params.needs_others_ratio)} are needed before this counts: putting them off is no bulkhead",
            losses(claim for claim in others if not claim.right),
        )
    most, t_s = most_at_once(evidence)
    if most > params.allows_at_once:
        return Judged(
            0,
            f"{most} jobs ran at once at {t_s:.1f} s, {params.allows_at_once} are tolerated before this counts: "
            "without a bound it is the worker's memory that pays",
        )
    return judged
