"""`labdriver selftest`."""

from collections.abc import Sequence
from typing import Any

import click

from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import TargetMissed
from labdriver.selftest.run import Outcome, run_checks
from labdriver.verbs import to_type


@click.command("selftest", epilog="Example: .venv/bin/labdriver selftest schedule stopped")
@click.argument("checks", nargs=-1)
@_options.as_json
def COMMAND(checks: tuple[str, ...], as_json: bool) -> None:
    """Prove the driver on this machine, in about a minute and without the stack. CHECKS: all, or some by name."""
    console = Console(as_json=as_json)
    outcomes = run_checks(checks, say=lambda text: console.say(text, style="dim"))
    for line in table(outcomes):
        console.say(line)
    console.answer(answer(outcomes))
    missed = [outcome.name for outcome in outcomes if not outcome.finding.holds]
    if missed:
        raise TargetMissed(
            f"{len(missed)} of {len(outcomes)} checks missed a target: {', '.join(missed)}",
            next_step=f"close what else is running, then {to_type('selftest', *missed)}",
        )


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """One line for each figure, one for the note of a check."""
    lines: list[str] = []
    for outcome in outcomes:
        lines.append(f"{outcome.title}  ({outcome.took_s:.0f} s)")
        for figure in outcome.finding.figures:
            value = "not measured" if figure.value is None else f"{figure.value:g}"
            lines.append(f"  {'ok' if figure.holds else 'MISSED':<7}{figure.name:<20}{value:>13}   {figure.target}")
        lines.append(f"  {outcome.finding.note}")
    return lines


def answer(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The JSON answer."""
    return {
        "ok": all(outcome.finding.holds for outcome in outcomes),
        "checks": [
            {
                "check": outcome.name,
                "title": outcome.title,
                "ok": outcome.finding.holds,
                "took_s": round(outcome.took_s, 1),
                "note": outcome.finding.note,
                "figures": [
                    {"name": f.name, "value": f.value, "target": f.target, "ok": f.holds}
                    for f in outcome.finding.figures
                ],
            }
            for outcome in outcomes
        ],
    }
