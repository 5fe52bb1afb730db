"""What the live business did beside the load, from the samples. No rule counts any of it.

The services count since their start, so a second's figures are the growth between two samples. Only roles that the
business calls itself count: what an api passes on to an estimator is one request.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from labdriver.record import Record, Sample

ROLES = ("api", "worker")
RESPONSES = "background_responses"
FAILED_FROM = 400


@dataclass(frozen=True)
class Second:
    """The time between two samples, about a second."""

    from_s: float
    to_s: float
    sent: int  # requests that ended
    failed: int
    mean_ms: float  # 0 without any

    @property
    def rate_rps(self) -> float:
        return self.sent / (self.to_s - self.from_s)


@dataclass(frozen=True)
class Background:
    """The live business during one run."""

    seconds: tuple[Second, ...]

    @property
    def sent(self) -> int:
        return sum(second.sent for second in self.seconds)

    @property
    def failed(self) -> int:
        return sum(second.failed for second in self.seconds)

    def told(self) -> str:
        """For people, one sentence."""
        noun = "request" if self.sent == 1 else "requests"
        told = f"{self.sent:,} {noun}, {self.failed:,} failed"
        return f"Beside the load, the live business sent {told}; no rule counts them."


def of(record: Record) -> Background:
    """Seconds that lie in the load for their greater part: a look is a few milliseconds late, also the one at 0."""
    seconds: list[Second] = []
    before: Sample | None = None
    for sample in record.samples:
        if before is not None and before.t_s + sample.t_s > 0 and sample.t_s > before.t_s:
            seconds.append(_second(before, sample))
        before = sample
    return Background(tuple(seconds))


def _second(before: Sample, after: Sample) -> Second:
    sent = failed = 0
    took_s = 0.0
    for role in ROLES:
        if not all(_is_whole(sample, role) for sample in (before, after)):
            continue
        for status, grown in _grown(before, after, f"{role}.{RESPONSES}."):
            sent += round(grown)
            failed += round(grown) if not status.isdigit() or int(status) >= FAILED_FROM else 0
        took_s += sum(grown for _, grown in _grown(before, after, f"{role}.background_s"))
    return Second(before.t_s, after.t_s, sent, failed, took_s / sent * 1000 if sent else 0.0)


def _is_whole(sample: Sample, role: str) -> bool:
    """True when every replica of the role could be read, so that sums of two samples can be compared."""
    return sample.values.get(f"{role}.unreachable", 0) == 0


def _grown(before: Sample, after: Sample, prefix: str) -> Iterator[tuple[str, float]]:
    """(what follows the prefix, growth) of each counter; one that fell was started anew and counts from nothing."""
    for name, value in after.values.items():
        if name.startswith(prefix):
            earlier = before.values.get(name, 0.0)
            yield name.removeprefix(prefix), value - earlier if value >= earlier else value
