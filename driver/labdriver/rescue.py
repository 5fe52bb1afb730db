"""Puts a lab's solution in place for somebody who has fallen behind, and keeps what they had."""

import shutil
from datetime import datetime
from pathlib import Path

from labdriver.errors import Misuse
from labdriver.lab import Lab


def put_solution(lab: Lab, solutions: Path) -> Path | None:
    """Copy the solution over the edit file. Returns where the edit is kept, None when it was the solution already.

    Raises Misuse when the lab has no solution.
    """
    solution = solutions / lab.id / lab.scenario.edit
    if not solution.is_file():
        raise Misuse(f"{lab.id} has no solution: {solution} is missing", next_step="git status")
    edit = lab.edit_file
    if edit.is_file() and edit.read_bytes() == solution.read_bytes():
        return None
    kept = None
    if edit.is_file():
        kept = _free(edit)
        shutil.copy2(edit, kept)
    shutil.copyfile(solution, edit)
    return kept


def _free(edit: Path) -> Path:
    """A name beside `edit` that nothing has yet: edit.mine-1015.py, then edit.mine-1015-2.py."""
    stamp = datetime.now().strftime("%H%M")
    for n in range(1, 1000):
        path = edit.with_name(f"{edit.stem}.mine-{stamp}{'' if n == 1 else f'-{n}'}{edit.suffix}")
        if not path.exists():
            return path
    raise Misuse(f"too many kept edits in {edit.parent}", next_step=f"ls {edit.parent}")
