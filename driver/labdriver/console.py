"""The only place that prints. People's lines go to stdout, or to stderr when a script asked for JSON.

Commands get a `Console` from the click context; nothing below `commands/` prints.
"""

import json
import sys
from typing import Any

from rich.console import Console as Terminal
from rich.markup import escape


class Console:
    """Where a command says things. With `as_json`, stdout is kept for one JSON object."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.terminal = Terminal(stderr=as_json, highlight=False, soft_wrap=True)

    def say(self, text: str, *, style: str = "") -> None:
        """Print one line for people. `text` is shown as it is: brackets are never markup."""
        self.terminal.print(escape(text), style=style or None)

    def answer(self, value: dict[str, Any]) -> None:
        """Print the JSON answer when one was asked for, else nothing."""
        if self.as_json:
            print(json.dumps(value, ensure_ascii=False), flush=True)

    def line(self, text: str) -> None:
        """Print a contract line (the score line) as it is, never wrapped or styled."""
        stream = sys.stderr if self.as_json else sys.stdout
        print(text, file=stream, flush=True)
