"""A new lab is complete from its first minute."""

import shutil
from pathlib import Path

import pytest

from labdriver import check, lab, markers, new_lab, proofs
from labdriver.errors import Misuse

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    """A copy of the labs, without their companions."""
    shutil.copytree(ROOT / "labs", tmp_path / "labs", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_new_lab_is_valid_next_in_order_and_proved(kit: Path) -> None:
    """Scenario, markers and proofs agree; its step follows the last one."""
    before = lab.find(kit / "labs")
    new_lab.make(kit, "retries")
    made = lab.load(kit / "labs", "retries")
    assert lab.find(kit / "labs") == [*before, "retries"]
    assert made.scenario.step == max(lab.load(kit / "labs", one).scenario.step for one in before) + 1
    _, variants = proofs.load(kit / "solutions", made)
    outside = {markers.split(v.file.read_text(), step=made.scenario.step, name=v.name).outside for v in variants}
    assert len(outside) == 1


def test_new_lab_checks_its_starter_and_its_solution(kit: Path) -> None:
    """The starter gets a hint, the solution none."""
    new_lab.make(kit, "retries")
    made = lab.load(kit / "labs", "retries")
    assert any(f.hint for f in check.check(made))
    shutil.copyfile(kit / "solutions" / "retries" / "edit.py", made.edit_file)
    assert not any(f.hint for f in check.check(made))


def test_existing_lab_is_never_overwritten(kit: Path) -> None:
    """A name that is taken is refused before a single file is written."""
    with pytest.raises(Misuse, match=r"labs/timeouts/README.md is already there"):
        new_lab.make(kit, "timeouts")
    assert not (kit / "prompts").exists()


@pytest.mark.parametrize("bad", ["Retries", "../x", "1st", "", "a b"])
def test_bad_id_is_refused(kit: Path, bad: str) -> None:
    """An id is a folder name and part of a path: nothing but a-z, 0-9 and -."""
    with pytest.raises(Misuse, match="is no id of a lab"):
        new_lab.make(kit, bad)
