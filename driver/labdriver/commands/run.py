"""`labdriver run`: measure, judge, publish, print the score line."""

from pathlib import Path
from typing import Any

import click

from labdriver import lock, record
from labdriver.app import App
from labdriver.browser import open_page
from labdriver.check import whole
from labdriver.commands import _options
from labdriver.commands.submit import deliver
from labdriver.console import Console
from labdriver.errors import LabError, TargetMissed
from labdriver.lab import Lab
from labdriver.progress import meter
from labdriver.record import Record
from labdriver.report import page, publish
from labdriver.run import Options, run
from labdriver.score import line
from labdriver.score.card import Card, judge
from labdriver.score.card import check as check_rules
from labdriver.verbs import to_type

GOOD_SCORE = 90  # what a right fix reaches; below it the next step is the edit file


@click.command("run", epilog="Example: .venv/bin/labdriver run timeouts --by alice")
@_options.lab
@_options.by
@_options.scale
@click.option("--no-deploy", is_flag=True, help="Measure what is in service, even if the edit on disk is newer.")
@click.option("--fail-under", type=click.IntRange(0, 100), metavar="N", help="Exit 1 when the score is below N.")
@_options.no_open
@_options.as_json
@click.pass_obj
def COMMAND(
    app: App,
    lab: str | None,
    by: str | None,
    scale: float,
    no_deploy: bool,
    fail_under: int | None,
    no_open: bool,
    as_json: bool,
) -> None:
    """Run LAB against the stack, score it, write its report. The last line is the score, made for the chat."""
    console = Console(as_json=as_json)
    chosen = app.lab(lab)
    options = Options(
        by=app.by(by),
        scale_ratio=scale,
        deploy=not no_deploy,
        ready_timeout_s=app.settings.ready_timeout_s,
    )
    card = measure(app, chosen, options, console=console, may_open=not no_open)
    if fail_under is not None and (card.verdict != "VALID" or card.score < fail_under):
        raise TargetMissed(
            f"score {card.score} ({card.verdict}), expected at least {fail_under}",
            next_step=to_type("coach", lab=chosen.id),
        )


def measure(app: App, lab: Lab, options: Options, *, console: Console, may_open: bool) -> Card:
    """Run a lab from a ready stack to a published report and its score line. Raises Abort when it was stopped."""
    whole(lab)
    check_rules(lab.scenario)
    page.check(lab.scenario)
    runtime, why = app.runtime()
    console.say(f"{lab.id}: {lab.scenario.question}", style="bold")
    console.say(f"runtime {runtime.name} ({why}), by {options.by}", style="dim")
    if app.is_nameless(options.by):
        console.say(f"note: {options.by} is a name that many share; BY=<your name> sets yours", style="yellow")
    scenario = lab.scenario.scaled(options.scale_ratio)
    if any(rule.rule == "completion" for rule in scenario.rules):
        console.say("live figures tell when jobs are accepted; the report tells when they were done", style="dim")
    with lock.hold(app.run_lock, what=f"run {lab.id}", by=options.by):
        with meter(console, total_s=scenario.warm_up_s + scenario.load_s, start_s=-scenario.warm_up_s) as show:
            made = run(lab, runtime, options, say=console.say, on_progress=show)
        card = judge(made)
        written = keep(app, made, card, console=console)
    _tell(console, card, written)
    deliver(app, made, card, console=console)
    console.say(_advice(lab.edit_file.relative_to(app.root), lab.id, card), style="bold")
    console.answer(_answer(made, card, written))
    console.line(line.format(made.head, card))
    if app.settings.may_open and may_open and not console.as_json and written is not None:
        open_page(written)
    if made.head.ended == "interrupted":
        raise click.Abort  # what was measured is told; a script does not go on as if it had been all
    return card


def keep(app: App, made: Record, card: Card, *, console: Console) -> Path | None:
    """Save and publish. When `reports/` cannot be written the score is still told; None then."""
    folder = app.reports / made.head.lab / made.head.run
    try:
        record.save(folder, made, card.to_json())
        return publish.publish(app.reports, folder)
    except LabError as error:
        console.say(f"the report was not written: {error.message}; next: {error.next_step}", style="red")
        return None
    except OSError as error:
        console.say(f"the report was not written: {error}; next: make room or mend {app.reports}", style="red")
        return None


def _tell(console: Console, card: Card, written: Path | None) -> None:
    for rule in card.rules:
        console.say(f"  {rule.points:5.1f} of {rule.max:3.0f}  {rule.title}: {rule.reason}")
    if card.verdict != "VALID":
        console.say(f"INVALID: {card.verdict_reason}", style="red")
    if written is not None:
        console.say(f"report: {written}")


def _advice(edit: Path, lab_id: str, card: Card) -> str:
    if card.verdict != "VALID":
        return f"this run does not count; next: {to_type('run', lab=lab_id)}"
    if card.score < GOOD_SCORE:
        return f"next: change the marked place in {edit}, then {to_type('dev', 'run', lab=lab_id)}"
    return "next: paste the last line into the chat"


def _answer(made: Record, card: Card, written: Path | None) -> dict[str, Any]:
    """The object of `labdriver run --json`, as the design fixes it."""
    earlier = publish.previous(made, written.parents[2]) if written is not None else None
    return {
        "lab": made.head.lab,
        "run": made.head.run,
        "by": made.head.by,
        "runtime": made.head.runtime,
        **card.to_json(),
        "baseline": earlier,
        "report": str(written) if written is not None else None,
    }
