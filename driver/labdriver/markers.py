"""The marked place of an edit file: `# LAB: STEPn TODO: <task>` … `# LAB: STEPn END`.

Everything outside belongs to the kit. Here it is found, compared and replaced; nothing is executed.
"""

import re
from dataclasses import dataclass

from labdriver.errors import Misuse

_BEGIN = re.compile(r"^\s*# LAB: STEP(\d+) TODO: \S.*$")
_END = re.compile(r"^\s*# LAB: STEP(\d+) END\s*$")


@dataclass(frozen=True)
class Marked:
    """An edit file in three parts. `before` ends with the TODO line, `after` begins with the END line."""

    before: tuple[str, ...]
    inside: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def outside(self) -> tuple[str, ...]:
        return self.before + self.after


def split(text: str, *, step: int, name: str) -> Marked:
    """Split `text` at its markers. Raises Misuse when there is not exactly one pair of that step."""
    lines = text.splitlines()
    begins = [i for i, line in enumerate(lines) if (m := _BEGIN.match(line)) and int(m[1]) == step]
    ends = [i for i, line in enumerate(lines) if (m := _END.match(line)) and int(m[1]) == step]
    if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
        raise Misuse(
            f"{name}: the markers are damaged: found {len(begins)} of '# LAB: STEP{step} TODO: <task>' and {len(ends)} "
            f"of '# LAB: STEP{step} END', expected one of each in this order",
            next_step=f"git diff {name}",
        )
    begin, end = begins[0], ends[0]
    return Marked(tuple(lines[: begin + 1]), tuple(lines[begin + 1 : end]), tuple(lines[end:]))
