"""`labdriver prefetch`."""

from pathlib import Path

import click

from labdriver.app import App
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.prefetch import prefetch, take
from labdriver.stack.kube import bundle


@click.command("prefetch", epilog="Example: .venv/bin/labdriver prefetch /media/stick/bundle")
@click.argument("source", required=False, metavar="[BUNDLE]", type=click.Path(path_type=Path))
@_options.as_json
@click.pass_obj
def COMMAND(app: App, source: Path | None, as_json: bool) -> None:
    """Fetch everything that a cluster needs, so that `up` works offline; or take it from the folder BUNDLE.

    Goes on where it was interrupted. The local runtime needs nothing of it.
    """
    console = Console(as_json=as_json)
    if app.runtime_name == "local":
        console.say("the local runtime has everything in .venv already; nothing to fetch")
        console.answer({"runtime": "local", "fetched": [], "size_bytes": 0})
        return
    done = (
        take(app.root, app.settings, source, say=console.say)
        if source
        else prefetch(app.root, app.settings, say=console.say)
    )
    path = bundle.folder(app.root, app.settings)
    console.say(f"{path}: {len(done.files)} files, {done.size_bytes / 1e6:.0f} MB, checksums good")
    console.say("hand it over on a stick: copy that folder; there, make prefetch BUNDLE=<folder>")
    console.answer({"bundle": str(path), "fetched": done.fetched, "files": done.files, "size_bytes": done.size_bytes})
