"""`labdriver facilitate`: the facilitator's token and page of a generator."""

from pathlib import Path

import click

from labdriver import join, whole_file
from labdriver.app import App
from labdriver.browser import open_page
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import EnvironmentFault, Misuse
from labdriver.verbs import to_type

FILE = "facilitator.token"


@click.command("facilitate", epilog="Example: .venv/bin/labdriver facilitate")
@click.option(
    "--at", "url", metavar="URL", help="Address of the generator; without it the one of the stack that is up."
)
@click.option("--token", metavar="TOKEN", help="The token in force there, when it was claimed from another machine.")
@_options.no_open
@_options.as_json
@click.pass_obj
def COMMAND(app: App, url: str | None, token: str | None, no_open: bool, as_json: bool) -> None:
    """Print the facilitator's page, its token in the address. The first who asks a new database becomes facilitator."""
    console = Console(as_json=as_json)
    base = generator(app, url)
    mine = claim(app.state, base, token=token)
    page = f"{base}/facilitator#token={mine}"
    console.say(f"facilitator's page, for your eyes only: {page}", style="bold")
    console.say(f"board for the projector: {base}/board")
    console.answer({"url": base, "page": page, "board": f"{base}/board", "token": mine})
    if app.settings.may_open and not no_open and not as_json:
        open_page(page)


def generator(app: App, url: str | None) -> str:
    """Address of the generator at `url`, else of the stack that is up. Raises EnvironmentFault when none is."""
    if url:
        return join.address(url)
    runtime, _ = app.runtime()
    if not runtime.status().up:
        raise EnvironmentFault(f"no stack is up on the runtime {runtime.name}", next_step=to_type("up"))
    return runtime.url("generator")


def claim(state: Path, url: str, *, token: str | None = None) -> str:
    """The facilitator's token of the generator at `url`: the given one, the kept one, else a new one, claimed there.

    Raises Misuse when another token is in force.
    """
    path = state / FILE
    kept = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    mine = token or kept or join.new_token()
    if not kept:  # before it is claimed: a token that is in force and that nobody has is never found again
        whole_file.write(path, mine.encode(), mode=0o600)
    try:
        join.ask(url, "PUT", "/workshop/facilitator", body={"token": mine})
    except join.Rejected as error:
        if not kept:
            path.unlink()
        raise Misuse(error.message, next_step=to_type("facilitate", "--token TOKEN")) from error
    if kept and mine != kept:
        whole_file.write(path, mine.encode(), mode=0o600)
    return mine
