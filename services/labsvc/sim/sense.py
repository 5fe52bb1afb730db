"""What the shape of a scenario file cannot tell: names that refer to each other, amounts that fit their target.

Works on the raw file beside pydantic, so that a fault of shape hides no fault of sense and both are told at once; what
has the wrong shape is passed over here. `scenario.py` calls it and adds the lines.
"""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from labsvc.sim.modifier import Kind
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.yamlfile import Loc

KINDS: tuple[Kind, ...] = ("multiplier", "additive", "override", "shift")

Fault = tuple[Loc, str]
Item = tuple[Loc, dict[str, Any]]


def faults(raw: dict[str, Any], modifiers: Modifiers, *, event_types: tuple[str, ...], stem: str) -> Iterator[Fault]:
    """Every fault of sense in one file, with the place it stands at."""
    own = list(_items(raw, "effects"))
    cascades = list(_items(raw, "cascades"))
    events = list(_items(raw, "events"))
    cascaded = [((*loc, *inner), e) for loc, cascade in cascades for inner, e in _items(cascade, "effects")]
    if "id" in raw and raw["id"] != stem:
        yield ("id",), f"id is {raw['id']!r}, expected the file's name, {stem!r}"
    for what, items in (("effect", [*own, *cascaded]), ("cascade", cascades), ("event", events)):
        yield from _repeated(what, items)
    for loc, form in ((), raw), *own, *cascaded:
        if isinstance(onset := form.get("onset"), dict) and onset.get("spike_ratio"):
            yield (*loc, "onset", "spike_ratio"), "a backlog comes at the end: spike_ratio belongs to settling"
    for loc, effect in (*own, *cascaded):
        yield from _effect(loc, effect, modifiers, settling=effect.get("settling", raw.get("settling")))
    yield from _cascades(cascades, own=_ids(own), ids=_ids([*own, *cascaded]))
    taken: dict[str, Any] = {}
    for loc, event in events:
        yield from _causes(loc, event, own=_ids(own), taken=taken)
        yield from _event(loc, event, modifiers, event_types)


def one_of(name: object, known: Iterable[str]) -> str:
    """The tail of a message: the allowed values, and the one that was probably meant."""
    allowed = sorted(known)
    close = difflib.get_close_matches(str(name), allowed, n=1)
    return f"expected one of: {', '.join(allowed) or '(none)'}" + (f"; did you mean {close[0]}?" if close else "")


def _effect(loc: Loc, effect: dict[str, Any], modifiers: Modifiers, *, settling: object) -> Iterator[Fault]:
    given = [kind for kind in KINDS if effect.get(kind) is not None]
    if len(given) != 1:
        yield loc, f"an effect has exactly one of {', '.join(KINDS)}, got {' and '.join(given) or 'none'}"
    target = effect.get("target")
    if not isinstance(target, str):
        return
    if target not in modifiers.targets:
        yield (*loc, "target"), f"unknown target {target!r}, {one_of(target, modifiers.targets)}"
        return
    for kind in given:
        if _number(amount := effect[kind]) and (words := modifiers.fault(target, kind, float(amount))):
            yield (*loc, kind), words
    if modifiers.targets[target].kind == "odds" and isinstance(settling, dict) and settling.get("spike_ratio"):
        words = f"{target!r} is odds, which have no backlog that could spike: give it a settling of its own"
        yield (*loc, "target"), words


def _cascades(cascades: list[Item], *, own: set[str], ids: set[str]) -> Iterator[Fault]:
    reached, waiting = set(own), list(cascades)
    while ready := [item for item in waiting if item[1].get("after") in reached]:
        waiting = [item for item in waiting if item not in ready]
        reached |= {name for _, cascade in ready for name in _ids(list(_items(cascade, "effects")))}
    for loc, cascade in waiting:
        after = cascade.get("after")
        if not isinstance(after, str):
            continue
        if after in ids:
            yield (*loc, "after"), f"the cascade waits for {after!r}, which only follows from itself"
        else:
            yield (*loc, "after"), f"unknown effect {after!r}, {one_of(after, ids)}"


def _causes(loc: Loc, event: dict[str, Any], *, own: set[str], taken: dict[str, Any]) -> Iterator[Fault]:
    name = event.get("id")
    causes = [cause for cause in _list(event.get("causes")) if isinstance(cause, str)]
    for k, cause in enumerate(causes):
        if cause not in own:
            yield (*loc, "causes", k), f"unknown effect {cause!r}, {one_of(cause, own)}"
        elif taken.setdefault(cause, name) != name:
            yield (*loc, "causes", k), f"effect {cause!r} is caused by {taken[cause]!r} already"
    if bool(causes) == bool(event.get("red_herring", False)):
        said = "causes effects and is a red herring" if causes else "causes nothing"
        yield loc, f"event {name!r} {said}: give it either causes or red_herring: true"
    if causes and _number(at_s := event.get("at_s", 0)) and at_s < 0:
        yield (*loc, "at_s"), f"at_s is {at_s:g}: an event of the past cannot cause what is still to come"


def _event(loc: Loc, event: dict[str, Any], modifiers: Modifiers, event_types: tuple[str, ...]) -> Iterator[Fault]:
    if isinstance(kind := event.get("type"), str) and kind not in event_types:
        yield (*loc, "type"), f"unknown type {kind!r}, {one_of(kind, event_types)}"
    expected = event.get("expected")
    for k, target in enumerate(_list(expected.get("targets") if isinstance(expected, dict) else None)):
        if target not in modifiers.targets:
            words = f"unknown target {target!r}, {one_of(target, modifiers.targets)}"
            yield (*loc, "expected", "targets", k), words


def _repeated(what: str, items: list[Item]) -> Iterator[Fault]:
    seen: set[str] = set()
    for loc, item in items:
        if isinstance(name := item.get("id"), str):
            if name in seen:
                yield (*loc, "id"), f"{what} id {name!r} is taken"
            seen.add(name)


def _ids(items: list[Item]) -> set[str]:
    return {item["id"] for _, item in items if isinstance(item.get("id"), str)}


def _items(raw: dict[str, Any], key: str) -> Iterator[Item]:
    """The mappings in a list of the file, with their places; anything else is pydantic's to report."""
    yield from (((key, k), item) for k, item in enumerate(_list(raw.get(key))) if isinstance(item, dict))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
