"""What the rules on replicas share: how many there were, on average, in the phases of a kind."""

from collections.abc import Iterable

from labdriver.lab import Phase
from labdriver.record import Sample
from labdriver.score.evidence import Evidence

REST_S = 2.0  # of a phase's start: what is sampled there still belongs to the phase before


def in_kinds(evidence: Evidence, kinds: Iterable[str]) -> list[tuple[Phase, Sample]]:
    """Samples within phases of these kinds, each with its phase; their first seconds left out where they are longer."""
    wanted, found = set(kinds), []
    starts_s = evidence.phase_starts_s
    for index, phase in enumerate(evidence.record.head.scenario.phases):
        rest_s = min(REST_S, phase.duration_s / 2) if index else 0.0
        if phase.kind in wanted:
            found += [
                (phase, sample)
                for sample in evidence.record.samples
                if starts_s[index] + rest_s <= sample.t_s < starts_s[index + 1]
            ]
    return found


def mean(samples: Iterable[tuple[Phase, Sample]], figure: str) -> float | None:
    """Mean of a figure over the samples that have it, None without any."""
    values = [sample.values[figure] for _, sample in samples if figure in sample.values]
    return sum(values) / len(values) if values else None
