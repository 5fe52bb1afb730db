"""Hints can be typed as they are printed: with make where it has the verb, else with the path to labdriver."""

import ast
import re
import shlex
from pathlib import Path

from labdriver import verbs
from labdriver.verbs import to_type

ROOT = Path(__file__).resolve().parents[2]


def test_make_verbs_are_those_of_the_makefile() -> None:
    """Whoever adds a target has it in the hints too."""
    targets = set(re.findall(r"(?m)^([a-z-]+):.*## ", (ROOT / "Makefile").read_text()))
    assert targets - {"help"} == verbs.MAKE


def test_make_form_and_labdriver_form() -> None:
    """Variables are make's; a word that make does not know makes a labdriver command of the whole."""
    assert to_type("dev", "run", lab="tx") == "make dev run LAB=tx"
    assert to_type("join", code="K7QM4X", by="Ann Lee") == "make join CODE=K7QM4X BY='Ann Lee'"
    assert shlex.split(to_type("join", by="Ann O'Lee"))[2:] == ["BY=Ann O'Lee"]
    assert to_type("join", code="<code>") == "make join CODE=<code>"
    assert to_type("join", "--leave") == ".venv/bin/labdriver join --leave"
    assert to_type("picture", lab="tx") == ".venv/bin/labdriver picture tx"


def test_no_hint_names_a_command_that_is_not_on_the_path() -> None:
    """Texts of the driver say `make …` or `.venv/bin/labdriver …`; docstrings are no hints."""
    wrong = []
    for path in sorted((ROOT / "driver" / "labdriver").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
                said = re.search(r"(?<![/\w`])labdriver [a-z]", node.value)
                if said:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}")
    assert wrong == []


def test_every_make_hint_names_a_target() -> None:
    """The plain `make up` of an error is a target too."""
    source = "\n".join(path.read_text() for path in (ROOT / "driver" / "labdriver").rglob("*.py"))
    said = set(re.findall(r'next_step=f?"[^"]*?\bmake ([a-z-]+)', source))
    assert said
    assert said <= verbs.MAKE
