"""`labdriver check`."""

import click

from labdriver.app import App
from labdriver.check import check, whole
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import Misuse, TargetMissed
from labdriver.lab import Lab
from labdriver.stack import edits
from labdriver.verbs import to_type


@click.command("check", epilog="Example: .venv/bin/labdriver check timeouts")
@_options.lab
@_options.as_json
@click.pass_obj
def COMMAND(app: App, lab: str | None, as_json: bool) -> None:
    """Check the edit of LAB in seconds, without the stack. A failure is a hint, never the answer."""
    console = Console(as_json=as_json)
    chosen = app.lab(lab, verb="check")
    whole(chosen)
    if chosen.scenario.scales:
        _refuse_manifest(chosen, chosen.scenario.scales)
    findings = check(chosen)
    for finding in findings:
        mark, style = ("hint", "yellow") if finding.hint else ("skip", "dim") if finding.skipped else ("ok  ", "")
        console.say(f"{mark}  {finding.what}", style=style)
        if finding.hint or finding.skipped:
            console.say(f"      {finding.hint or finding.skipped}")
    console.answer({"lab": chosen.id, "ok": not any(f.hint for f in findings), "findings": [vars(f) for f in findings]})
    open_points = sum(1 for f in findings if f.hint)
    if open_points:
        raise TargetMissed(
            f"{open_points} of {len(findings)} checks of {chosen.id} are open",
            next_step=f"edit {chosen.edit_file.relative_to(app.root)}, then {to_type('check', lab=chosen.id)}",
        )
    skipped = sum(1 for f in findings if f.skipped)
    holds = (
        f"{len(findings) - skipped} checks hold, {skipped} could not look"
        if skipped
        else f"all {len(findings)} checks hold"
    )
    console.say(f"{holds}; next: {to_type('dev', 'run', lab=chosen.id)}")


def _refuse_manifest(chosen: Lab, role: str) -> None:
    """Raise Misuse with file and line for a manifest that is none: it has nothing to be checked."""
    try:
        edits.read_file(chosen.edit_file, role)
    except Misuse as error:
        place = error.message.partition(": ")[0]
        raise Misuse(error.message, next_step=f"mend {place}, then {to_type('check', lab=chosen.id)}") from error
