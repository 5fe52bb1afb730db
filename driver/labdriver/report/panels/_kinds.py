"""What panels on jobs share: one colour for each kind of job, the same in every panel."""

from collections.abc import Iterable, Iterator

COLOURS = ("good", "p99", "failed", "late")


def coloured(kinds: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(kind, its colour), in the order in which the scenario names them; more than four start over."""
    for index, kind in enumerate(kinds):
        yield kind, COLOURS[index % len(COLOURS)]
