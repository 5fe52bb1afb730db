"""`labdriver rescue`."""

import click

from labdriver import lock
from labdriver.app import App
from labdriver.commands import _options
from labdriver.commands.smoke import tell
from labdriver.console import Console
from labdriver.rescue import put_solution
from labdriver.verbs import to_type


@click.command("rescue", epilog="Example: .venv/bin/labdriver rescue timeouts")
@_options.lab
@_options.as_json
@click.pass_obj
def COMMAND(app: App, lab: str | None, as_json: bool) -> None:
    """Put the solution of LAB in place, keep your edit beside it, roll it out, probe the stack: rejoin in a minute."""
    console = Console(as_json=as_json)
    chosen = app.lab(lab, verb="rescue")
    lock.refuse_held(app.run_lock)
    kept = put_solution(chosen, app.root / "solutions")
    edit = chosen.edit_file.relative_to(app.root)
    console.say(f"{edit} is the solution now" + (f"; yours is kept as {kept.name}" if kept else ""))
    runtime, _ = app.runtime()
    if not runtime.status().up:
        runtime.up(console.say)
    change = runtime.dev(console.say)
    for line in change.lines:
        console.say(line)
    tell(console, runtime)
    console.answer({"lab": chosen.id, "edit": str(edit), "kept": str(kept) if kept else None, "took_s": change.took_s})
    console.say(f"next: {to_type('run', lab=chosen.id)}")
