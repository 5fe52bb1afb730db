"""`labdriver down`."""

import click

from labdriver.app import App
from labdriver.commands import _options
from labdriver.commands._change import show


@click.command("down", epilog="Example: .venv/bin/labdriver down")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, as_json: bool) -> None:
    """Stop the stack and clean up after it."""
    show(app, "down", as_json=as_json, nothing="nothing was up")
