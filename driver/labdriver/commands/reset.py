"""`labdriver reset`."""

import click

from labdriver.app import App
from labdriver.commands import _options
from labdriver.commands._change import show


@click.command("reset", epilog="Example: labdriver reset")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, as_json: bool) -> None:
    """Wipe data and queues; the stack keeps running."""
    show(app, "reset", as_json=as_json, nothing="nothing to wipe")
