"""Proofs of a lab: complete, and every mistake in them told."""

import shutil
from pathlib import Path

import pytest

from labdriver import lab, proofs
from labdriver.errors import Misuse
from labdriver.lab import Lab

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def solutions(tmp_path: Path) -> Path:
    """A copy of the timeouts lab's solutions."""
    shutil.copytree(ROOT / "solutions" / "timeouts", tmp_path / "timeouts")
    return tmp_path


@pytest.fixture
def timeouts() -> Lab:
    return lab.load(ROOT / "labs", "timeouts")


def test_starter_comes_first_then_the_solution(solutions: Path, timeouts: Lab) -> None:
    """Wrong fixes are measured against the solution, so it is run before them."""
    _, variants = proofs.load(solutions, timeouts)
    assert [v.kind for v in variants[:2]] == ["starter", "solution"]
    assert sum(v.kind == "wrong" for v in variants) >= 6
    assert sum(v.kind == "right" for v in variants) >= 2


def test_named_fix_without_a_file_is_told(solutions: Path, timeouts: Lab) -> None:
    """A fix that was deleted is still missed."""
    (solutions / "timeouts" / "wrong" / "refuse_all.py").unlink()
    with pytest.raises(Misuse, match=r"names refuse_all, but .* is missing"):
        proofs.load(solutions, timeouts)


def test_file_that_nobody_names_is_told(solutions: Path, timeouts: Lab) -> None:
    """A fix that was added without being proved is found."""
    shutil.copy(solutions / "timeouts" / "edit.py", solutions / "timeouts" / "right" / "another.py")
    with pytest.raises(Misuse, match=r"another.py is not named"):
        proofs.load(solutions, timeouts)


def test_unknown_rule_lists_the_known_ones(solutions: Path, timeouts: Lab) -> None:
    """A rule that was renamed is noticed in the proofs."""
    path = solutions / "timeouts" / "proofs.yaml"
    path.write_text(path.read_text().replace("rules: [tail, hung]", "rules: [tails]"))
    with pytest.raises(Misuse, match=r"wrong.connect_only names the rule 'tails', expected one of: .*tail"):
        proofs.load(solutions, timeouts)
