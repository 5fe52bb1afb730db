"""Loads files in a process of its own, as `python -m labdriver.try_import FILE…`, and says where that fails.

Prints `<file>:<line>: <Type>: <message>` and ends with 1 for the first file that does not load. `check.py` runs it
before a lab's own check and bounds it in time; it knows no lab.
"""

import sys
import traceback
from pathlib import Path
from types import ModuleType


def told(path: Path) -> str:
    """Where and why the file does not load; "" when it does."""
    module = ModuleType(f"tried_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look a class's module up by name
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        return f"{path}:{_line(error, path)}: {type(error).__name__}: {_first_line(error)}"
    return ""


def _line(error: BaseException, path: Path) -> int:
    """The line to mend: of the syntax error, else of the innermost frame in this file."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 1
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return (frames[-1].lineno or 1) if frames else 1


def _first_line(error: BaseException) -> str:
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return (message.strip().splitlines() or ["no message"])[0]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        if found := told(Path(name)):
            print(found)
            sys.exit(1)
