"""`labdriver quickstart`."""

import click

from labdriver import lab as labs
from labdriver.app import App
from labdriver.commands import _options
from labdriver.commands.run import measure
from labdriver.console import Console
from labdriver.run import Options


@click.command("quickstart", epilog="Example: .venv/bin/labdriver quickstart --by alice")
@_options.by
@_options.scale
@_options.no_open
@_options.as_json
@click.pass_obj
def COMMAND(app: App, by: str | None, scale: float, no_open: bool, as_json: bool) -> None:
    """Start the stack, run the first lab as it is, open the report."""
    console = Console(as_json=as_json)
    runtime, why = app.runtime()
    console.say(f"starting the stack on the runtime {runtime.name} ({why})")
    change = runtime.up(console.say)
    console.say(f"the stack is up ({change.took_s:.1f} s)")
    measure(
        app,
        app.lab(labs.find(app.labs)[0]),
        Options(by=app.by(by), scale_ratio=scale, ready_timeout_s=app.settings.ready_timeout_s),
        console=console,
        may_open=not no_open,
    )
