"""`labdriver check` as a participant meets it: hints for each state of an edit, and an end to every one."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from labdriver import check, lab
from labdriver.errors import Misuse
from labdriver.lab import Lab

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def timeouts(tmp_path: Path) -> Lab:
    """A copy of the timeouts lab with the starter's edit."""
    folder = tmp_path / "labs" / "timeouts"
    shutil.copytree(ROOT / "labs" / "timeouts", folder)
    shutil.copyfile(ROOT / "solutions" / "timeouts" / "starter.py", folder / "edit.py")
    return replace(lab.load(ROOT / "labs", "timeouts"), folder=folder)


def put(chosen: Lab, source: str) -> None:
    """Save `source` as the participant's edit."""
    chosen.edit_file.write_text(source)


def test_starter_gets_hints_and_the_solution_none(timeouts: Lab) -> None:
    """The check separates the two, and no hint holds the answer."""
    hints = [f.hint for f in check.check(timeouts) if f.hint]
    assert len(hints) >= 2
    assert not any("asyncio.timeout" in hint or "timeout=" in hint for hint in hints)
    put(timeouts, (ROOT / "solutions" / "timeouts" / "edit.py").read_text())
    assert [f.hint for f in check.check(timeouts) if f.hint] == []


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "solutions" / "timeouts" / "right").glob("*.py")))
def test_other_right_fixes_hold(timeouts: Lab, name: str) -> None:
    """The check asks for behaviour, not for one way to write it."""
    put(timeouts, (ROOT / "solutions" / "timeouts" / "right" / f"{name}.py").read_text())
    assert [f.hint for f in check.check(timeouts) if f.hint] == []


def test_syntax_error_is_told_with_its_line(timeouts: Lab) -> None:
    """Half an edit is answered with the line that does not parse."""
    source = timeouts.edit_file.read_text()
    put(timeouts, source.replace("answer.raise_for_status()", "answer.raise_for_status("))
    hints = " ".join(f.hint for f in check.check(timeouts))
    assert "never closed" in hints


def test_endless_loop_is_ended_and_told(timeouts: Lab) -> None:
    """An edit that never ends is a finding, not a check that hangs."""
    put(timeouts, timeouts.edit_file.read_text().replace("    answer.raise_for_status()", "    while True: pass"))
    with pytest.raises(Misuse, match="did not end in 2 s: does the edit loop without waiting"):
        check.check(timeouts, limit_s=2)
