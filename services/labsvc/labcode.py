"""Loads the files of a lab as they are on disk now, and says where they went wrong in terms of file and line.

Source is compiled from the very bytes that the checksum is made of: no byte-code cache, so an edit saved twice within
a second can never be served in its older form. A file that never ends loading is stopped.
"""

import hashlib
import linecache
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType

LOAD_LIMIT_S = 3.0
TICKS = 20  # that the limit is counted in: a machine that stands still for a while costs one of them


class NeverEnds(BaseException):
    """Raised inside a file that is still being loaded at the limit. Not an Exception: `except Exception` is common."""


def checksum(*contents: bytes) -> str:
    """First 12 hex digits of sha256 over the contents, one after the other."""
    return hashlib.sha256(b"".join(contents)).hexdigest()[:12]


def load(path: Path, source: bytes) -> ModuleType:
    """Run `source` as the module of `path`. Raises whatever the file raises, NeverEnds at the limit."""
    module = ModuleType("")
    module.__name__ = name = f"labcode_{path.parent.name}_{path.stem}_{id(module):x}"
    module.__file__ = str(path)
    linecache.checkcache(str(path))
    sys.modules[name] = module  # dataclasses and pickling look a class's module up by name
    try:
        code = compile(source, str(path), "exec")
        with _limit(LOAD_LIMIT_S):
            exec(code, module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def told(error: BaseException, labs: Path) -> str:
    """`labs/timeouts/edit.py:12: SyntaxError: ...`, one line."""
    message = (error.msg if isinstance(error, SyntaxError) else str(error)).strip()
    first = f": {message.splitlines()[0]}" if message else ""
    return f"{where(error, labs)}: {type(error).__name__}{first}"


def where(error: BaseException, labs: Path) -> str:
    """File and line of the innermost lab code that took part, relative to the folder above `labs`."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_relative(error.filename, labs)}:{error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).is_relative_to(labs)]
    return f"{_relative(frames[-1].filename, labs)}:{frames[-1].lineno}" if frames else "labsvc"


def _relative(filename: str, labs: Path) -> str:
    path = Path(filename)
    return str(path.relative_to(labs.parent)) if path.is_relative_to(labs.parent) else filename


@contextmanager
def _limit(limit_s: float) -> Iterator[None]:
    """Raise NeverEnds in the main thread after `limit_s`. Elsewhere (a test's thread) there is no limit."""
    left = TICKS

    def tick(_signal: int, _frame: FrameType | None) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise NeverEnds(f"still loading after {limit_s:g} s; a loop at the top of the file?")

    try:
        before = signal.signal(signal.SIGALRM, tick)
    except ValueError:
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, limit_s / TICKS, limit_s / TICKS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
