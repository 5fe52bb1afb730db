"""`labdriver up`."""

import click

from labdriver.app import App
from labdriver.commands import _options
from labdriver.commands._change import show


@click.command("up", epilog="Example: .venv/bin/labdriver --runtime local up")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, as_json: bool) -> None:
    """Start the stack, or repair it."""
    show(app, "up", as_json=as_json, nothing="already up, nothing changed")
