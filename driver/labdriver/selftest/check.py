"""What a check is and what it finds. Stands below `checks/` and `run.py`, knows neither."""

from collections.abc import Callable
from dataclasses import dataclass

Say = Callable[[str], None]  # progress, one line for people


@dataclass(frozen=True)
class Figure:
    """One measured figure and its target. The target holds for `at_least` ≤ value ≤ `at_most`."""

    name: str  # ends in its unit
    value: float | None  # None: could not be measured, which never holds
    at_least: float | None = None
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        if self.value is None:
            return False
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def target(self) -> str:
        """The target for people: `≤ 1`, `0.97–1.05`, `= 0`."""
        if self.at_least is not None and self.at_most is not None:
            same = self.at_least == self.at_most
            return f"= {self.at_most:g}" if same else f"{self.at_least:g}–{self.at_most:g}"
        return f"≥ {self.at_least:g}" if self.at_least is not None else f"≤ {self.at_most:g}"


@dataclass(frozen=True)
class Finding:
    """What a check found. `note` says what a reader of the figures must know."""

    figures: tuple[Figure, ...]
    note: str = ""

    @property
    def holds(self) -> bool:
        return bool(self.figures) and all(figure.holds for figure in self.figures)


@dataclass(frozen=True)
class Check:
    """One proof."""

    title: str
    run: Callable[[Say], Finding]
