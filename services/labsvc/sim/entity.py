"""Who an event is about: an id that never depends on what else happens, and the cause of its existence.

    orders#17                the 17th arrival of the source `orders`, with or without any scenario
    orders+rush.1/more#3     the third that exists only because of that modifier
    orders#17/paid/shipped   what became of order 17

So a run with a modifier and one without agree on the ids of everything they share.
"""

from typing import NamedTuple

BASELINE = "baseline"  # the cause of all that happens anyway; others: modifier:<id>, event:<id>


class Origin(NamedTuple):
    """Where entities come from: the first part of their ids, and what they share."""

    name: str
    cause: str = BASELINE
    parent: str | None = None


class Entity:
    """`n` counts within the origin, from 1; 0: the origin's only one, which has the origin's name."""

    __slots__ = ("n", "origin")
    origin: Origin
    n: int

    @property
    def id(self) -> str:
        return f"{self.origin.name}#{self.n}" if self.n else self.origin.name

    @property
    def cause(self) -> str:
        return self.origin.cause

    @property
    def parent(self) -> str | None:
        return self.origin.parent


def entity(origin: Origin, n: int = 0) -> Entity:
    """An entity that no source made."""
    made = Entity()
    made.origin = origin
    made.n = n
    return made


def child(parent: Entity, step: str, *, cause: str | None = None) -> Entity:
    """What `parent` turns into at `step`; inherits the cause unless a modifier changed its course."""
    return entity(Origin(f"{parent.id}/{step}", cause or parent.cause, parent.id))
