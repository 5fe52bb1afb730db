"""`labdriver dev`."""

import click

from labdriver.app import App
from labdriver.check import whole
from labdriver.commands import _options
from labdriver.commands._change import show


@click.command("dev", epilog="Example: .venv/bin/labdriver dev")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, as_json: bool) -> None:
    """Bring edited code into service and wait until it answers."""
    for chosen in app.readable_labs():
        whole(chosen)
    show(app, "dev", as_json=as_json, nothing="nothing was edited, the stack serves what is on disk")
