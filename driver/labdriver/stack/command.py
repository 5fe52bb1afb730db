"""One subprocess, with a deadline: how the driver talks to `docker`, `k3d` and the like. No shell takes part."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Ran:
    """What a program did. `code` is None when it could not be started or had to be ended at its deadline."""

    code: int | None
    out: str = ""
    err: str = ""

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def last_words(self) -> str:
        """The last line that says something, for a message."""
        lines = [line.strip() for line in (self.err.strip() or self.out.strip()).splitlines() if line.strip()]
        return lines[-1] if lines else "it said nothing"


def run(*args: str, timeout_s: float, more_env: Mapping[str, str] | None = None) -> Ran:
    """Run a program to its end, or to `timeout_s`. Never raises. `more_env` is added to what it inherits."""
    if shutil.which(args[0]) is None:
        return Ran(None, err=f"{args[0]} is not installed")
    try:
        done = subprocess.run(
            args,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            env={**os.environ, **more_env} if more_env else None,
            errors="replace",
            text=True,
        )
    except subprocess.TimeoutExpired:
        return Ran(None, err=f"{args[0]} gave no answer in {timeout_s:g} s")
    except OSError as error:
        return Ran(None, err=f"{args[0]} cannot be run: {error.strerror}")
    return Ran(done.returncode, COLOUR.sub("", done.stdout), COLOUR.sub("", done.stderr))
