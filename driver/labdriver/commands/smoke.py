"""`labdriver smoke`."""

import click

from labdriver.app import App
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import EnvironmentFault
from labdriver.stack.smoke import probe


@click.command("smoke", epilog="Example: labdriver smoke")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, as_json: bool) -> None:
    """Probe every port of the stack, one line each. Exits 3 when one does not answer."""
    console = Console(as_json=as_json)
    runtime, why = app.runtime()
    probes = probe(runtime)
    for found in probes:
        console.say(
            f"{'ok  ' if found.ok else 'FAIL'}  {found.role:<10} {found.url}  {found.told}",
            style="" if found.ok else "red",
        )
    console.answer({"runtime": runtime.name, "ok": all(p.ok for p in probes), "probes": [vars(p) for p in probes]})
    failed = [p.role for p in probes if not p.ok]
    if failed:
        raise EnvironmentFault(f"{', '.join(failed)} did not answer on {runtime.name} ({why})", next_step="make up")
