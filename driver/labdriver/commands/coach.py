"""`labdriver coach`."""

import click

from labdriver import record
from labdriver.app import App
from labdriver.coach import coach, hint_ladder
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import Misuse
from labdriver.report import history
from labdriver.verbs import to_type


@click.command("coach", epilog="Example: .venv/bin/labdriver coach timeouts")
@_options.lab
@click.option("--run", "run_id", metavar="ID", help="Which run; default: the newest of the lab.")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, lab: str | None, run_id: str | None, as_json: bool) -> None:
    """Say what a run of LAB shows and what waited on what, and give the next hint: a cause, never the fix."""
    console = Console(as_json=as_json)
    lab_id = app.lab(lab, verb="coach").id
    runs = history.read(app.reports)
    chosen = [entry for entry in runs.of(lab_id) if run_id in (None, entry.head.run)]
    if not chosen:
        raise Misuse(f"no run {run_id or 'of ' + lab_id} below {app.reports}", next_step=to_type("run", lab=lab_id))
    entry = chosen[0]
    advice = coach(
        record.load(entry.folder),
        earlier_runs=len(runs.before(entry.head)),
        ladder=hint_ladder(app.root / "facilitator" / f"{lab_id}.md"),
    )
    console.say(f"run {entry.head.run} by {entry.head.by}", style="dim")
    for observation in advice.observations:
        console.say(f"- {observation}")
    if advice.deciding:
        console.say(f"most points went here: {advice.deciding}")
    else:
        console.say("no point was lost: there is nothing to hint at", style="bold")
    if advice.hint:
        console.say(f"hint {advice.level} of {advice.levels}: {advice.hint}", style="bold")
    console.answer({"lab": lab_id, "run": entry.head.run, **vars(advice)})
