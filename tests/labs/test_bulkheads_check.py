"""The check of step 3 gives the hint that fits, and none to a right fix."""

import shutil
from pathlib import Path

import pytest

from labdriver import check, lab
from labdriver.lab import Lab

ROOT = Path(__file__).resolve().parents[2]
SOLUTIONS = ROOT / "solutions" / "bulkheads"


@pytest.fixture
def copy(tmp_path: Path) -> Lab:
    """A copy of the lab, whose edit file may be changed."""
    shutil.copytree(ROOT / "labs" / "bulkheads", tmp_path / "bulkheads", ignore=shutil.ignore_patterns("__pycache__"))
    return lab.load(tmp_path, "bulkheads")


def hints(copy: Lab, edit: str) -> dict[str, str]:
    """What was looked at → the hint, for what does not hold."""
    copy.edit_file.write_text(edit)
    return {finding.what: finding.hint for finding in check.check(copy) if finding.hint}


@pytest.mark.parametrize("name", ["edit.py", "right/queues.py"])
def test_a_right_fix_gets_no_hint(copy: Lab, name: str) -> None:
    """However it is built."""
    assert hints(copy, (SOLUTIONS / name).read_text()) == {}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("starter.py", "8 slow jobs were running and an acknowledgement waited 5."),
        ("wrong/no_bound.py", "41 jobs ran at once, and there is room for 8"),
        ("wrong/postpone_slow.py", "a slow job was never started in 20 s"),
        ("wrong/cut_short.py", "a slow job was recorded as finished, and its work was never done to its end"),
    ],
)
def test_a_wrong_fix_gets_the_hint_that_fits(copy: Lab, name: str, hint: str) -> None:
    """One hint, in figures."""
    (found,) = hints(copy, (SOLUTIONS / name).read_text()).values()
    assert found.startswith(hint)


def test_an_edit_that_fails_is_told_with_its_line(copy: Lab) -> None:
    """Not as a riddle about waiting jobs."""
    starter = (SOLUTIONS / "starter.py").read_text()
    found = hints(copy, starter.replace('slot(jobs, "fast", "slow"))', 'slot(jobs, "quick"))'))
    assert set(found.values()) == {"edit.py:46: ValueError: no kind 'quick', expected one or more of: fast, slow"}
