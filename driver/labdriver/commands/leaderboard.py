"""`labdriver leaderboard`: take pasted score lines, show the board, freeze it."""

import sys
from typing import Any

import click

from labdriver import lab
from labdriver.app import App
from labdriver.commands import _options
from labdriver.console import Console
from labdriver.errors import Misuse, TargetMissed
from labdriver.report import board, history, leaderboard, publish
from labdriver.report.leaderboard import Place
from labdriver.score.line import ScoreLine


@click.group("leaderboard", epilog="Example: .venv/bin/labdriver leaderboard add < chat.txt")
def COMMAND() -> None:
    """Collect score lines from a chat, show the board, freeze it."""


@COMMAND.command("add", epilog="Example: .venv/bin/labdriver leaderboard add 'SCORE lab=timeouts score=87 ...'")
@click.argument("text", nargs=-1)
@_options.as_json
@click.pass_obj
def add(app: App, text: tuple[str, ...], as_json: bool) -> None:
    """Add the score lines in TEXT, or in what is piped or pasted in; the chat around them is ignored."""
    console = Console(as_json=as_json)
    if not text and sys.stdin.isatty():
        console.say("paste the chat, then Ctrl-D:")
    added = board.add(app.reports, "\n".join(text) if text else sys.stdin.read(), labs=lab.find(app.labs))
    if not (added.new or added.known or added.refused):
        raise Misuse(
            "no score line in that text, expected: SCORE lab=… score=… … check=…", next_step="copy the whole line"
        )
    for word, lines in (("added", added.new), ("known", added.known), ("refused", added.refused)):
        for one in lines:
            why = f": {one.problem}" if one.problem else "" if one.counts else ", does not count"
            console.say(f"{word:<8}{one.by} {one.lab} {one.score}{why}", style="red" if one.problem else "")
    publish.write_index(app.reports)
    console.answer({word: [_line(x) for x in getattr(added, word)] for word in ("new", "known", "refused")})
    if added.refused:
        raise TargetMissed("refused lines do not count; the reason stands beside each", next_step="ask for whole lines")


@COMMAND.command("show", epilog="Example: .venv/bin/labdriver leaderboard show")
@_options.as_json
@click.pass_obj
def show(app: App, as_json: bool) -> None:
    """Print the board: the best VALID score of each lab and participant, ties by time."""
    console = Console(as_json=as_json)
    held = board.read(app.reports)
    places = leaderboard.rank(held.shows(history.read(app.reports).results()))
    scored = {name for place in places for name in place.best}
    labs = [name for name in lab.find(app.labs) if name in scored]
    labs += sorted(scored - set(labs))
    width = max(map(len, ("participant", *(place.by for place in places))))
    if places:
        columns = "".join(f"{name:>12}" for name in labs)
        console.say(f"{'rank':>4}  {'participant':<{width}}{columns}{'total':>8}")
    for place in places:
        scores = "".join(f"{place.best[name].score if name in place.best else '–':>12}" for name in labs)
        console.say(f"{place.rank:>4}  {place.by:<{width}}{scores}{place.total:>8}")
    people = "1 participant" if len(places) == 1 else f"{len(places)} participants"
    console.say(f"frozen at {board.stamp_time(held.frozen)}" if held.frozen else people)
    console.answer({"frozen": held.frozen or None, "places": [_place(place) for place in places]})
    publish.write_index(app.reports)


@COMMAND.command("freeze", epilog="Example: .venv/bin/labdriver leaderboard freeze")
@click.option("--off", is_flag=True, help="Let the board run again.")
@_options.as_json
@click.pass_obj
def freeze(app: App, off: bool, as_json: bool) -> None:
    """Freeze the board: runs that start from now on are not shown until it is let go."""
    console = Console(as_json=as_json)
    held = board.freeze(app.reports, frozen=not off)
    publish.write_index(app.reports)
    console.say(f"frozen at {board.stamp_time(held.frozen)}" if held.frozen else "the board runs again")
    console.answer({"frozen": held.frozen or None})


def _place(place: Place) -> dict[str, Any]:
    scores = {name: result.score for name, result in place.best.items()}
    return {"rank": place.rank, "by": place.by, "total": place.total, "scores": scores}


def _line(one: ScoreLine) -> dict[str, Any]:
    return {"lab": one.lab, "by": one.by, "run": one.run, "score": one.score, "problem": one.problem}
