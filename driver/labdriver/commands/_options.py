"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

lab: Decorator = click.argument("lab", required=False)  # without one, the labs are listed
as_json: Decorator = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON object on stdout.")
by: Decorator = click.option(
    "--by", metavar="NAME", envvar="LAB_BY", show_envvar=True, help="Your name, for the board."
)
no_open: Decorator = click.option("--no-open", is_flag=True, help="Do not open the report (also LAB_NO_OPEN=1).")
scale: Decorator = click.option(
    "--scale",
    type=click.FloatRange(0.1, 4),
    default=1.0,
    show_default=True,
    envvar="LAB_SCALE",
    show_envvar=True,
    help="Length of the phases; other than 1 counts on no leaderboard.",
)
