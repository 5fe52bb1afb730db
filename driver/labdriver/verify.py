"""Proves a lab: the starter loses, the solution and other right fixes win, every wrong fix loses by a named rule.

Works on a copy of the labs and on a stack of its own, on free ports, so that a participant's edit and stack are never
touched. One `Proof` for each variant; `commands/verify.py` prints the table.
"""

import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from labdriver import markers, proofs, record
from labdriver.errors import Misuse
from labdriver.lab import Lab
from labdriver.proofs import LOSES_BY, Proofs, Variant
from labdriver.report import publish
from labdriver.run import Options, run
from labdriver.score.card import Card, judge
from labdriver.settings import Settings
from labdriver.stack.local.runtime import LocalRuntime
from labdriver.stack.runtime import Runtime, Say


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
    took_s: float


def verify(lab: Lab, root: Path, runtime: Runtime, *, scale_ratio: float | None) -> Iterator[Proof]:
    """Run every variant of `lab` on `runtime`, whose labs live below `root`; yield each proof as it is known.

    Without `scale_ratio`, phases are as long as the lab's proofs say.
    """
    promised, variants = proofs.load(root / "solutions", lab)
    edit_file = root / "labs" / lab.id / lab.scenario.edit
    solution_score = 100
    for variant in variants:
        started_s = time.monotonic()
        _inside_markers(lab, variant, variants[0].file)
        shutil.copyfile(variant.file, edit_file)
        made = run(
            replace(lab, folder=edit_file.parent),
            runtime,
            Options(by=variant.name, scale_ratio=scale_ratio or promised.scale_ratio),
            say=lambda _: None,
            on_progress=lambda _: None,
        )
        card = judge(made)
        folder = root / "reports" / lab.id / made.head.run
        record.save(folder, made, card.to_json())
        publish.publish(root / "reports", folder)
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
            took_s=round(time.monotonic() - started_s, 1),
        )


@contextmanager
def own_stack(root: Path, settings: Settings, *, say: Say) -> Iterator[tuple[Path, Runtime]]:
    """A copy of what the stack reads below `.lab/verify`, and a stack of its own on free ports; both go at the end."""
    copy = root / ".lab" / "verify"
    runtime = LocalRuntime(copy, ports=_free_ports(settings.ports), ready_timeout_s=settings.ready_timeout_s)
    if copy.exists():
        runtime.down(lambda _: None)  # what an earlier verify left when it was killed
    for name in ("labs", "k8s", "solutions"):
        shutil.rmtree(copy / name, ignore_errors=True)
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    say("starting a stack of its own, on free ports")
    runtime.up(lambda _: None)
    try:
        yield copy, runtime
    finally:
        runtime.down(lambda _: None)


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


def _free_ports(roles: Iterable[str]) -> dict[str, int]:
    held = {role: socket.create_server(("127.0.0.1", 0)) for role in roles}
    ports = {role: server.getsockname()[1] for role, server in held.items()}
    for server in held.values():
        server.close()
    return ports
