"""How people type a command: `make run LAB=tx` where the Makefile has the verb, else `.venv/bin/labdriver submit`.

Every hint that names a lab, a value or a command without a make verb is made here, so that it can be typed as it is
printed. A test compares MAKE with the Makefile.
"""

import shlex

LABDRIVER = ".venv/bin/labdriver"  # nobody has it on the PATH
MAKE = frozenset(
    {
        *("quickstart", "preflight", "prefetch", "up", "smoke", "dev", "reset", "down"),
        *("check", "run", "coach", "rescue", "report", "verify", "solutions"),
        *("join", "facilitate", "leaderboard", "test", "lint", "bench", "lock"),
    }
)


def to_type(*words: str, **variables: str) -> str:
    """The command of these words and variables: ("dev", "run", lab="tx") → `make dev run LAB=tx`.

    A word that is no make verb (`submit`, `--leave`) makes it a labdriver command, the variables its arguments.
    """
    if MAKE.issuperset(words):
        return " ".join(("make", *words, *(f"{name.upper()}={quoted(value)}" for name, value in variables.items())))
    return " ".join((LABDRIVER, *words, *map(quoted, variables.values())))


def quoted(value: str) -> str:
    """A value as a shell takes it for one word; `<code>` stands for something and stays as it is."""
    return value if value.startswith("<") else shlex.quote(value)
