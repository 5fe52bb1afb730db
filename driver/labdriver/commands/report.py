"""`labdriver report`."""

import click

from labdriver.app import App
from labdriver.browser import open_page
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.report import publish


@click.command("report", epilog="Example: .venv/bin/labdriver report")
@_options.as_json
@_options.no_open
@click.pass_obj
def COMMAND(app: App, as_json: bool, no_open: bool) -> None:
    """Render every report, the index and the leaderboard again from the records."""
    console = Console(as_json=as_json)
    built = publish.rebuild(app.reports)
    for problem in built.problems:
        console.say(f"left out: {problem}", style="yellow")
    console.say(f"{built.pages} pages and the index: {built.index}")
    console.answer({"pages": built.pages, "index": str(built.index), "problems": list(built.problems)})
    if app.settings.may_open and not no_open and not as_json:
        open_page(built.index)
