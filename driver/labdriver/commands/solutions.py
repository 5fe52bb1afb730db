"""`labdriver solutions`."""

import click

from labdriver.app import App
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.solutions import make


@click.command("solutions", epilog="Example: .venv/bin/labdriver solutions && git checkout step-1-solution -- labs")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, as_json: bool) -> None:
    """Make the branches step-1-solution … from solutions/. Your working tree is not touched."""
    console = Console(as_json=as_json)
    branches = make(app.root)
    for branch in branches:
        console.say(f"{branch.told:<10}{branch.name}  {branch.commit[:12]}  fixes {', '.join(branch.labs)}")
    console.answer({"branches": [vars(branch) for branch in branches]})
