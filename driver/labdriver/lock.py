"""One at a time: a run on a stack, a change of it, a prefetch. File locks, so they go with their process."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from labdriver.errors import EnvironmentFault

POLL_S = 0.05


@contextmanager
def hold(path: Path, *, what: str, by: str, thing: str = "the stack", deadline_s: float = 0) -> Iterator[None]:
    """Hold `thing` for `what` (a lab, a verify), waiting for it up to `deadline_s`.

    Raises EnvironmentFault naming who holds it and since when, or that the lock cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a+", encoding="utf-8")
    except OSError as error:
        told = f"cannot write to {path.parent} ({error.strerror})"
        raise EnvironmentFault(told, next_step=f"df -h {path.parent}; ls -ld {path.parent}") from error
    with opened as file:
        until_s = time.monotonic() + deadline_s
        while not _took(file):
            if time.monotonic() >= until_s:
                raise _in_use(path, thing)
            time.sleep(POLL_S)
        file.truncate(0)
        since = datetime.now(UTC).strftime("%H:%M:%S UTC")
        file.write(json.dumps({"what": what, "by": by, "pid": os.getpid(), "since": since}))
        file.flush()
        yield


def refuse_held(path: Path, *, thing: str = "the stack") -> None:
    """Raise EnvironmentFault like `hold` when somebody holds `thing` now. Whoever changes it under a run asks this."""
    with suppress(FileNotFoundError), path.open("r", encoding="utf-8") as file:
        try:
            fcntl.flock(
                file, fcntl.LOCK_SH | fcntl.LOCK_NB
            )  # shared: two that only ask do not meet; freed at the close
        except OSError as error:
            raise _in_use(path, thing) from error


def _took(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


def _in_use(path: Path, thing: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"{thing} is in use: {_holder(path)}", next_step="wait for it to end, then the same command"
    )


def _holder(path: Path) -> str:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return f"{held['what']} by {held['by']} since {held['since']} (pid {held['pid']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another command holds it"  # it has the lock but has not written its name yet
