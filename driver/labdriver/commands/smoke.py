"""`labdriver smoke`."""

import click

from labdriver.app import App
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import EnvironmentFault
from labdriver.stack.runtime import Runtime
from labdriver.stack.smoke import Probe, probe


@click.command("smoke", epilog="Example: .venv/bin/labdriver smoke")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, as_json: bool) -> None:
    """Probe every port of the stack, one line each. Exits 3 when one does not answer."""
    console = Console(as_json=as_json)
    runtime, _ = app.runtime()
    probes = tell(console, runtime)
    console.answer({"runtime": runtime.name, "ok": all(p.ok for p in probes), "probes": [vars(p) for p in probes]})
    failed = [p.role for p in probes if not p.ok]
    if failed:
        raise EnvironmentFault(f"{', '.join(failed)} did not answer on {runtime.name}", next_step="make up")


def tell(console: Console, runtime: Runtime) -> list[Probe]:
    """Probe every port and print one line each."""
    probes = probe(runtime)
    for found in probes:
        mark = "ok  " if found.ok else "FAIL"
        console.say(f"{mark}  {found.role:<10} {found.url}  {found.told}", style="" if found.ok else "red")
    return probes
