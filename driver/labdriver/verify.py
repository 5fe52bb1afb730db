"""Proves a lab: the starter loses, the solution and other right fixes win, every wrong fix loses by a named rule.

Works on copies of the labs, each with a stack of its own on free ports, so that a participant's edit and stack are
never touched. The copies work a lab's variants off side by side. One `Proof` for each variant; `commands/verify.py`
prints the table.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from labdriver import markers, proofs, record
from labdriver.errors import Misuse
from labdriver.lab import Lab
from labdriver.proofs import LOSES_BY, Proofs, Variant
from labdriver.record import Record
from labdriver.report import publish
from labdriver.run import Options, run
from labdriver.score.card import Card, judge
from labdriver.score.verdict import crowded
from labdriver.settings import Settings
from labdriver.stack.local.ports import free
from labdriver.stack.local.runtime import LocalRuntime
from labdriver.stack.runtime import Runtime, Say

TRIES = 4  # of a run that does not count because the machine was too busy


@dataclass(frozen=True)
class Proof:
    """How one variant did."""

    lab: str
    kind: str
    name: str
    does: str
    score: int
    verdict: str
    deciding: str  # the rule that took the most points, or why the run does not count
    held: bool
    why: str  # why it does not hold, empty when it does
    tries: int  # more than one: the machine was too busy for the earlier ones to count
    took_s: float


@dataclass(frozen=True)
class Copy:
    """A copy of what the stack reads, and the stack that serves it."""

    root: Path
    runtime: Runtime


def verify(lab: Lab, copies: Sequence[Copy], *, scale_ratio: float | None) -> Iterator[Proof]:
    """Run every variant of `lab`, one at a time on each copy; yield each proof in the order of the lab's proofs.

    Without `scale_ratio`, phases are as long as the lab's proofs say. Raises Misuse for a variant that differs from
    the starter outside the markers.
    """
    promised, variants = proofs.load(copies[0].root / "solutions", lab)
    for variant in variants:
        _inside_markers(lab, variant, variants[0].file)
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def one(variant: Variant) -> tuple[Card, int, float]:
        copy, began_s = free.get(), time.monotonic()
        try:
            tries, made = 0, None
            while made is None or (crowded(made) and tries < TRIES):
                made = _run(lab, variant, copy, scale_ratio=scale_ratio or promised.scale_ratio)
                tries += 1
            return judge(made), tries, round(time.monotonic() - began_s, 1)
        finally:
            free.put(copy)

    solution_score = 100
    with ThreadPoolExecutor(len(copies)) as pool:
        try:
            for variant, (card, tries, took_s) in zip(variants, pool.map(one, variants), strict=True):
                if variant.kind == "solution":
                    solution_score = card.score
                why = _objection(variant, card, promised, solution_score)
                yield Proof(
                    lab=lab.id,
                    kind=variant.kind,
                    name=variant.name,
                    does=variant.does,
                    score=card.score,
                    verdict=card.verdict,
                    deciding=_deciding(variant, card),
                    held=not why,
                    why=why,
                    tries=tries,
                    took_s=took_s,
                )
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C no other variant begins


@contextmanager
def own_stacks(root: Path, settings: Settings, count: int, *, say: Say) -> Iterator[list[Copy]]:
    """Copies of what the stack reads below `.lab/verify`, each with a stack on free ports; all go at the end."""
    say(f"starting {count} stacks of their own, on free ports" if count > 1 else "starting a stack of its own")
    with ExitStack() as stacks:
        yield [stacks.enter_context(_own_stack(root, str(number), settings)) for number in range(1, count + 1)]


@contextmanager
def _own_stack(root: Path, name: str, settings: Settings) -> Iterator[Copy]:
    copy = root / ".lab" / "verify" / name
    runtime = LocalRuntime(copy, ports=free(settings.ports), ready_timeout_s=settings.ready_timeout_s)
    if copy.exists():
        runtime.down(lambda _: None)  # what an earlier verify left when it was killed
    shutil.rmtree(copy / "reports", ignore_errors=True)  # kept until the next verify, and no longer
    for folder in ("labs", "k8s", "solutions"):
        shutil.rmtree(copy / folder, ignore_errors=True)
        shutil.copytree(root / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    try:
        runtime.up(lambda _: None)
        yield Copy(copy, runtime)
    finally:
        runtime.down(lambda _: None)


def _run(lab: Lab, variant: Variant, copy: Copy, *, scale_ratio: float) -> Record:
    """One run with this variant as the edit, recorded and published in the copy."""
    edit_file = copy.root / "labs" / lab.id / lab.scenario.edit
    shutil.copyfile(variant.file, edit_file)
    made = run(
        replace(lab, folder=edit_file.parent),
        copy.runtime,
        Options(by=variant.name, scale_ratio=scale_ratio),
        say=lambda _: None,
        on_progress=lambda _: None,
    )
    folder = copy.root / "reports" / lab.id / made.head.run
    record.save(folder, made, judge(made).to_json())
    publish.publish(copy.root / "reports", folder)
    return made


def _objection(variant: Variant, card: Card, promised: Proofs, solution_score: int) -> str:
    """Why the proof does not hold; empty when it does."""
    if variant.kind == "wrong":
        return _objection_to_wrong(variant, card, solution_score)
    if card.verdict != "VALID":
        return f"the run is INVALID: {card.verdict_reason}"
    if variant.kind == "starter" and card.score > promised.starter.at_most:
        return f"scored {card.score}, expected at most {promised.starter.at_most}"
    if variant.kind in ("solution", "right") and card.score < promised.solution.at_least:
        return f"scored {card.score}, expected at least {promised.solution.at_least}"
    return ""


def _objection_to_wrong(variant: Variant, card: Card, solution_score: int) -> str:
    if card.verdict != "VALID":
        return ""  # an INVALID run counts nowhere, which is what a cheat deserves
    if card.score > solution_score - LOSES_BY:
        return f"scored {card.score}, expected at most {solution_score - LOSES_BY}"
    losing = [rule.id for rule in card.rules if rule.points < rule.max]
    if not set(variant.rules) & set(losing):
        return f"lost points by {', '.join(losing)}, expected by {' or '.join(variant.rules)}"
    return ""


def _deciding(variant: Variant, card: Card) -> str:
    """The rule that took the most points, of those that the proofs name where they name any."""
    if card.verdict != "VALID":
        return f"INVALID: {card.verdict_reason}"
    losing = [rule for rule in card.rules if rule.points < rule.max]
    named = [rule for rule in losing if rule.id in variant.rules] or losing
    worst = max(named, key=lambda rule: rule.max - rule.points, default=None)
    return f"{worst.id}: {worst.reason}" if worst else "-"


def _inside_markers(lab: Lab, variant: Variant, starter: Path) -> None:
    step = lab.scenario.step
    shipped = markers.split(starter.read_text(encoding="utf-8"), step=step, name=str(starter))
    changed = markers.split(variant.file.read_text(encoding="utf-8"), step=step, name=str(variant.file))
    if shipped.outside != changed.outside:
        raise Misuse(
            f"{variant.file} differs from the starter outside the markers",
            next_step=f"diff {starter} {variant.file}",
        )
