"""One run at a time on a stack. The lock is a file lock, so it goes with its process, however that ends."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from labdriver.errors import EnvironmentFault


@contextmanager
def hold(path: Path, *, what: str, by: str, thing: str = "the stack") -> Iterator[None]:
    """Hold `thing` for `what` (a lab, a verify). Raises EnvironmentFault naming who holds it and since when."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _in_use(path, thing) from error
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
