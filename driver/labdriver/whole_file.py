"""Writes a file whole or not at all: beside its place, then renamed, so that nobody ever reads half of one."""

import os
from pathlib import Path


def write(path: Path, data: bytes, *, mode: int = 0o666, make_folder: bool = True) -> None:
    """Replace `path`. Raises OSError; then the file of before is still there.

    `mode`: who may read it, less what the umask takes. Two processes at once do not meet: the later one stays.
    """
    if make_folder:
        path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
