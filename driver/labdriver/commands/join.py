"""`labdriver join`: take part in a session; runs are sent to its board from then on."""

import platform
import re
import sys
from pathlib import Path

import click

from labdriver import join, outbox
from labdriver.app import App
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import LabError, Misuse
from labdriver.preflight import inspect, readiness
from labdriver.stack.choose import held_ports
from labdriver.verbs import to_type


@click.command("join", epilog="Example: .venv/bin/labdriver join K7QM4X --at http://10.0.0.5:8082 --by alice")
@click.argument("code", required=False)
@click.option("--at", "url", metavar="URL", help="Address of the board, as the facilitator shows it.")
@_options.by
@click.option(
    "--ready",
    "ready_code",
    default="",
    metavar="CODE",
    help="What your preflight printed; without it the preflight runs now.",
)
@click.option("--leave", is_flag=True, help="Leave the session; nothing is sent any more.")
@_options.as_json
@click.pass_obj
def COMMAND(
    app: App, code: str | None, url: str | None, by: str | None, ready_code: str, leave: bool, as_json: bool
) -> None:
    """Join the session CODE. Without a code: say which session is joined."""
    console = Console(as_json=as_json)
    if leave:
        was = join.leave(app.state)
        console.say("left the session" if was else "no session was joined")
        console.answer({"joined": False})
    elif code is None:
        _tell(console, app.state)
    else:
        _join(console, app, code=code, url=url, by=by, ready_code=ready_code)


def _join(console: Console, app: App, *, code: str, url: str | None, by: str | None, ready_code: str) -> None:
    before = join.read(app.state)
    if url is None and before is None:
        raise Misuse("AT (--at) is missing: the board's address", next_step=to_type("join", code=code, at="<address>"))
    if ready_code and not readiness.intact(ready_code):
        raise Misuse(
            f"{ready_code!r} is not a readiness code, or has a typing error; expected what the preflight printed",
            next_step=to_type("preflight"),
        )
    if before is not None and by:
        _refuse_other_name(before, url=join.address(url) if url else before.url, code=code, by=by)
    technology, is_up = _stack(app)
    ready_code = ready_code.strip() or _readiness(app)
    membership = join.join(
        app.state,
        url=join.address(url) if url else before.url if before else "",
        code=code,
        name=app.by(by),
        technology=technology,
        ready_code=ready_code,
    )
    console.say(f"joined {membership.code} at {membership.url} as {membership.name}", style="bold")
    console.say(
        f"ready: {ready_code}" if ready_code else f"not ready: no runtime works here; next: {to_type('preflight')}"
    )
    if ready_code and not is_up:
        console.say("your stack is not up yet; next: make up")
    console.say(f"tickets and board: {membership.url}/tickets#token={membership.token}")
    sent = outbox.send(app.state, membership)
    if sent.taken:
        console.say(f"{len(sent.taken)} earlier runs were sent")
    console.answer(_shown(membership) | {"readiness": ready_code})


def _refuse_other_name(before: join.Membership, *, url: str, code: str, by: str) -> None:
    """A session knows a participant by the name of its first join. The board may have added a number to it."""
    is_same = (url, code.upper()) == (before.url, before.code)
    if is_same and not re.fullmatch(rf"{re.escape(by.strip()[:60])}( \d+)?", before.name, re.IGNORECASE):
        raise Misuse(
            f"you have joined {before.code} as {before.name}, expected that name and not {by!r}; to be {by!r} there,"
            " leave first: a new participant, without the runs sent so far",
            next_step=f"{to_type('join', '--leave')}, then {to_type('join', code=code, at=url, by=by)}",
        )


def _tell(console: Console, state: Path) -> None:
    membership = join.read(state)
    if membership is None:
        raise Misuse("no session is joined", next_step=to_type("join", code="<code>", at="<address>"))
    console.say(f"joined {membership.code} at {membership.url} as {membership.name}")
    console.say(f"tickets and board: {membership.url}/tickets#token={membership.token}")
    console.answer(_shown(membership))


def _shown(membership: join.Membership) -> dict[str, object]:
    """Without the token: answers end up in logs."""
    return {
        "joined": True,
        "url": membership.url,
        "code": membership.code,
        "name": membership.name,
        "session": membership.session,
        "participant": membership.participant,
    }


def _stack(app: App) -> tuple[str, bool]:
    """Where this machine's stack runs, and whether it is ready; a machine without one may join too."""
    try:
        runtime, _ = app.runtime()
        return runtime.name, runtime.status().ready
    except LabError:
        return "", False


def _readiness(app: App) -> str:
    """The code that the preflight would print now; "" where no runtime would work."""
    report = inspect(app.root, app.settings, ours=held_ports(app.root, app.settings))
    return readiness.code(report, system=sys.platform, arch=platform.machine()) if report.works else ""
