"""`labdriver reset`."""

import click

from labdriver import join
from labdriver.app import App
from labdriver.commands import _options
from labdriver.commands._change import show
from labdriver.errors import LabError, Misuse
from labdriver.verbs import to_type

WITH_SESSION = "--with-session"
STATUS_TIMEOUT_S = 2.0


@click.command("reset", epilog="Example: .venv/bin/labdriver reset")
@click.option(WITH_SESSION, is_flag=True, help="Also while a session runs here: its people and scores are wiped too.")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, with_session: bool, as_json: bool) -> None:
    """Wipe data and queues; the stack keeps running. Refused while a session runs on this stack."""
    if not with_session:
        refuse_session(app)
    show(app, "reset", as_json=as_json, nothing="nothing to wipe")


def refuse_session(app: App) -> None:
    """Raise Misuse naming the session that runs on this stack. A generator that does not answer holds none back."""
    runtime, _ = app.runtime()
    if not runtime.status().up:
        return
    try:
        told = join.ask(runtime.url("generator"), "GET", "/workshop/status", timeout_s=STATUS_TIMEOUT_S)
    except LabError:
        return
    session = told.get("session")
    if not session or session["state"] == "ended":
        return
    raise Misuse(
        f"the session {session['name']!r} is {session['state']} on this stack (people active: "
        f"{told['active_participants']}); reset would wipe it, expected none",
        next_step=f"end it on the facilitator's page, or: {to_type('reset', WITH_SESSION)}",
    )
