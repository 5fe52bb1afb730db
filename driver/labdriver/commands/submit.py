"""`labdriver submit`: send what waits in the outbox; and `deliver`, which every run calls at its end."""

import click

from labdriver import join, outbox
from labdriver.app import App
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import EnvironmentFault, LabError, Misuse, TargetMissed
from labdriver.outbox import Letter, Sent
from labdriver.record import Record
from labdriver.score import line
from labdriver.score.card import Card
from labdriver.verbs import to_type

AFTER_RUN_TIMEOUT_S = 2.0  # nobody waits long for a board after a run; the outbox keeps what could not be sent


@click.command("submit", epilog="Example: .venv/bin/labdriver submit")
@_options.as_json
@click.pass_obj
def COMMAND(app: App, as_json: bool) -> None:
    """Send finished runs that the board does not have yet. Runs are sent by themselves; this is for later."""
    console = Console(as_json=as_json)
    membership = join.read(app.state)
    if membership is None:
        raise Misuse("no session is joined", next_step=to_type("join", code="<code>", at="<address>"))
    sent = outbox.send(app.state, membership)
    _tell(console, sent)
    console.answer({"taken": list(sent.taken), "refused": list(sent.refused), "waiting": sent.waiting})
    if sent.waiting:
        raise EnvironmentFault(
            f"still in the outbox: {sent.waiting} ({sent.why})", next_step=f"{to_type('submit')}, a little later"
        )
    if sent.refused:
        raise TargetMissed(
            f"the board refused {len(sent.refused)}; what it refused lies in {app.state}/{outbox.FOLDER}/refused"
        )


def deliver(app: App, made: Record, card: Card, *, console: Console) -> None:
    """Bring a finished run to the board that was joined, now or later. Never fails a run; says what happened."""
    try:
        membership = join.read(app.state)
        if membership is None or made.head.ended != "complete":
            return
        text = line.format(made.head, card)
        outbox.put(app.state, Letter(membership.session, made.head.lab, made.head.run, text, failure(card)))
        _tell(console, outbox.send(app.state, membership, timeout_s=AFTER_RUN_TIMEOUT_S))
    except (LabError, OSError) as error:
        console.say(f"the run was not sent to the board: {error}", style="yellow")


def failure(card: Card) -> str:
    """What was lost, in words that are the same for the same failure; "" for a perfect run."""
    if card.verdict != "VALID":
        return f"INVALID: {card.verdict_reason}"[:100]
    return card.deciding.id if card.deciding else ""


def _tell(console: Console, sent: Sent) -> None:
    if sent.taken:
        place = f"; you are number {sent.rank}" if sent.rank else ""
        console.say(f"sent to the board: {', '.join(sent.taken)}{place}")
    for told in sent.refused:
        console.say(f"the board refused {told}", style="red")
    if sent.waiting:
        console.say(f"{sent.waiting} in the outbox ({sent.why}); sent with the next run, or: {to_type('submit')}")
    if sent.other:
        console.say(f"{sent.other} runs of an earlier session stay in the outbox", style="dim")
    for problem in sent.problems:
        console.say(f"left out: {problem}", style="yellow")
    if sent == Sent():
        console.say("nothing waits in the outbox", style="dim")
