"""What a bench is made of. A module of this folder that exports BENCH is a bench; its name is the one to type."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Say = Callable[[str], None]


@dataclass(frozen=True)
class Result:
    """One figure. With neither bound it is told without a target; `value` None: skipped, `method` says why."""

    name: str
    value: float | None
    unit: str
    method: str  # how it was measured, one line
    at_most: float | None = None
    at_least: float | None = None

    @property
    def holds(self) -> bool | None:
        """None without a target or without a value."""
        if self.value is None or (self.at_most is None and self.at_least is None):
            return None
        above = self.at_least is None or self.value >= self.at_least
        return above and (self.at_most is None or self.value <= self.at_most)

    @property
    def target(self) -> str:
        if self.at_least is not None and self.at_most is not None:
            same = self.at_least == self.at_most
            return f"= {self.at_most:g}" if same else f"{self.at_least:g}–{self.at_most:g}"
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"


@dataclass(frozen=True)
class Bench:
    """A set of figures that are measured together."""

    title: str
    run: Callable[[Say], Iterator[Result]]
