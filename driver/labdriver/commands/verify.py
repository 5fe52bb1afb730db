"""`labdriver verify`."""

import time

import click

from labdriver import lab as labs
from labdriver.app import App
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import TargetMissed
from labdriver.lab import Lab
from labdriver.proofs import load as load_proofs
from labdriver.verify import Proof, own_stacks, verify

STACKS = 2  # a lab asks for less than a core


@click.command("verify", epilog="Example: .venv/bin/labdriver verify timeouts")
@click.argument("lab", nargs=-1)
@click.option("--scale", type=click.FloatRange(0.1, 4), help="Length of the phases; default: as the lab's proofs say.")
@click.option("--stacks", type=click.IntRange(1, 8), default=STACKS, show_default=True, help="Runs at the same time.")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, lab: tuple[str, ...], scale: float | None, stacks: int, as_json: bool) -> None:
    """Prove LAB (default: all labs): the starter loses, right fixes win, every wrong fix loses by a named rule.

    Uses copies of the labs and stacks of its own; your edit and your stack are not touched.
    """
    console = Console(as_json=as_json)
    chosen = [app.lab(name, verb="verify") for name in lab or labs.find(app.labs)]
    _warn_short(console, app, chosen, scale)
    proofs: list[Proof] = []
    began_s = time.monotonic()
    with own_stacks(app.root, app.settings, stacks, say=console.say) as copies:
        for one in chosen:
            console.say(f"\n{one.id}\n  {'fix':<28}{'score':>6}  {'verdict':<8}{'time':>6}  deciding rule")
            for proof in verify(one, copies, scale_ratio=scale):
                proofs.append(proof)
                console.say(_row(proof), style="" if proof.held else "red")
    console.answer({"ok": all(p.held for p in proofs), "proofs": [vars(p) for p in proofs]})
    broken = [f"{p.lab}/{p.name}: {p.why}" for p in proofs if not p.held]
    if broken:
        raise TargetMissed(f"{len(broken)} of {len(proofs)} proofs do not hold: {'; '.join(broken)}")
    console.say(f"\nall {len(proofs)} proofs hold, {time.monotonic() - began_s:.0f} s")


def _warn_short(console: Console, app: App, chosen: list[Lab], scale: float | None) -> None:
    """One line when the phases would be shorter than some lab's proofs promise to hold for."""
    own = {one.id: load_proofs(app.root / "solutions", one)[0].scale_ratio for one in chosen}
    short = [f"{lab_id} {ratio:g}" for lab_id, ratio in own.items() if scale is not None and scale < ratio]
    if short:
        told = f"warning: at --scale {scale:g} proofs may not hold; the shortest that they promise: {', '.join(short)}"
        console.say(told, style="yellow")


def _row(proof: Proof) -> str:
    name = proof.name if proof.kind in ("starter", "solution") else f"{proof.kind}: {proof.name}"
    told = proof.deciding if proof.held else f"DOES NOT HOLD: {proof.why}"
    told += f" (try {proof.tries}: the machine was too busy)" if proof.tries > 1 else ""
    return f"  {name:<28}{proof.score:>6}  {proof.verdict:<8}{proof.took_s:>5.0f}s  {told}"
