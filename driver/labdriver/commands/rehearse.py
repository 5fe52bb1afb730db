"""`labdriver rehearse`: the hour with bots: where it would run out, what the server needed, whether the books hold."""

import asyncio
from typing import Any

import click

from labdriver import join
from labdriver.app import App
from labdriver.commands import _options
from labdriver.commands.facilitate import claim, generator
from labdriver.console import Console
from labdriver.errors import Misuse, TargetMissed
from labdriver.rehearse.stage import LabTime, Outcome, Wish, rehearse

P95_TARGET_MS = 100


@click.command("rehearse", epilog="Example: .venv/bin/labdriver rehearse --bots 80 --speed 30")
@click.option("--bots", type=click.IntRange(1, 1000), default=80, show_default=True, help="Participants.")
@click.option(
    "--minutes", type=click.FloatRange(1, 600), default=60, show_default=True, help="How much of the hour to play."
)
@click.option(
    "--speed", type=click.FloatRange(1, 600), default=30, show_default=True, help="Minutes of the hour in a minute."
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Other people, other luck.")
@click.option("--at", "url", metavar="URL", help="A generator elsewhere; without it the one of the stack that is up.")
@click.option("--token", metavar="TOKEN", help="The facilitator's token there.")
@_options.as_json
@click.pass_obj
def COMMAND(
    app: App, bots: int, minutes: float, speed: float, seed: int, url: str | None, token: str | None, as_json: bool
) -> None:
    """Play the hour with bots, in a session of its own. Exits 1 when anything was lost or doubled."""
    console = Console(as_json=as_json)
    base = generator(app, url)
    key = claim(app.state, base, token=token)
    wish = Wish(bots=bots, minutes=minutes, speed=speed, seed=seed)
    console.say(f"{bots} bots, {minutes:g} minutes in {minutes / speed:.1f}; watch: {base}/board", style="bold")
    try:
        outcome = asyncio.run(rehearse(base, key, wish, say=console.say))
    except join.Rejected as error:
        raise Misuse(error.message, next_step="stop the running session on the facilitator's page first") from error
    _tell(console, outcome)
    console.answer(_answer(outcome))
    if not outcome.balance.holds or outcome.failed_bots:
        raise TargetMissed("the books do not hold", next_step="read the lines above")


def _tell(console: Console, outcome: Outcome) -> None:
    meter = outcome.meter
    for lab in outcome.labs:
        console.say(_lab(lab), style="" if lab.fits else "yellow")
    console.say(
        f"server: {meter.count} answers, p50 {meter.p_ms(0.5):.0f} ms, p95 {meter.p_ms(0.95):.0f} ms"
        f" (target {P95_TARGET_MS}), p99 {meter.p_ms(0.99):.0f} ms"
        + (f", {outcome.server_cores:.2f} cores" if outcome.server_cores is not None else "")
    )
    for operation in sorted(meter.times_ms):
        console.say(
            f"  {operation:<10}{len(meter.times_ms[operation]):>7} answers, p95 {meter.p_ms(0.95, operation):.0f} ms",
            style="dim",
        )
    failed, refused = sum(meter.failed_tries.values()), sum(meter.refused.values())
    console.say(f"asked again after no answer: {failed}; refused: {refused}")
    tickets = outcome.tickets
    console.say(
        f"tickets: {tickets['opened']} opened = {tickets['open']} open + {tickets['held']} held"
        f" + {tickets['resolved']} resolved + {tickets['escalated']} escalated"
    )
    words = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in vars(outcome.balance).items())
    console.say(f"books: {words}", style="green" if outcome.balance.holds else "red")
    for why in sorted(set(outcome.failed_bots)):
        console.say(f"{outcome.failed_bots.count(why)} bots gave up: {why}", style="red")


def _lab(lab: LabTime) -> str:
    """Where the hour would run out, one lab."""
    told = f"{lab.lab:<11}{lab.minutes:>4g} min: {lab.solved} of {lab.tried} solved it"
    if lab.p50_s is not None:
        told += f", half after {lab.p50_s / 60:.1f}"
    if lab.p90_s is not None:
        return f"{told}, nine of ten after {lab.p90_s / 60:.1f} min: fits"
    return f"{told}; fewer than nine of ten: the hour runs out here"


def _answer(outcome: Outcome) -> dict[str, Any]:
    meter = outcome.meter
    return {
        "labs": [{**vars(lab), "fits": lab.fits} for lab in outcome.labs],
        "api": {
            "answers": meter.count,
            "p50_ms": round(meter.p_ms(0.5), 1),
            "p95_ms": round(meter.p_ms(0.95), 1),
            "p99_ms": round(meter.p_ms(0.99), 1),
            "failed_tries": sum(meter.failed_tries.values()),
            "refused": sum(meter.refused.values()),
        },
        "server_cores": outcome.server_cores,
        "tickets": dict(outcome.tickets),
        "books": {**vars(outcome.balance), "holds": outcome.balance.holds},
        "failed_bots": len(outcome.failed_bots),
        "took_s": round(outcome.took_s, 1),
    }
