"""A YAML file and where in it things stand, so that every fault can be told as `file:line: what`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Loc = tuple[int | str, ...]  # keys and list indices from the root


class YamlFile:
    """A parsed file. `raw` is what it says; `faults` has what keeps it from being read, as (line, words)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.raw: Any = None
        self.faults: list[tuple[int, str]] = []
        self._root: yaml.Node | None = None
        try:
            text = path.read_text(encoding="utf-8")
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            self.raw = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            self.faults.append((mark.line + 1 if mark else 1, f"not YAML: {error.problem}"))
        except (yaml.YAMLError, ValueError, OSError) as error:
            self.faults.append((1, f"cannot be read: {error}"))
        else:
            self.faults += _twice(self._root)

    def line(self, loc: Loc) -> int:
        """Line, from 1, of what `loc` leads to, or of its nearest parent that exists."""
        node, line = self._root, 1
        for part in loc:
            found = next(_children(node, part), None)
            if found is None:
                break
            node, line = found
        return line

    def told(self, line: int, words: str) -> str:
        return f"{self.path}:{line}: {words}"


def _children(node: yaml.Node | None, part: int | str) -> Iterator[tuple[yaml.Node, int]]:
    if isinstance(node, yaml.MappingNode):
        yield from ((value, key.start_mark.line + 1) for key, value in node.value if key.value == str(part))
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        yield node.value[part], node.value[part].start_mark.line + 1


def _twice(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    """Keys that a mapping has twice: YAML readers drop the first without a word."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield key.start_mark.line + 1, f"key {key.value!r} stands here for the second time"
            seen.add(key.value)
            yield from _twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item)
