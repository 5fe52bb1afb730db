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


UNLOADABLE = {
    "timeouts": (
        ("answer.raise_for_status()", "answer.raise_for_status("),
        r"edit.py:\d+: SyntaxError: '\(' was never",
    ),
    "tx": (("def sold_out()", "@once\ndef sold_out()"), r"edit.py:\d+: NameError: name 'once' is not defined"),
    "bulkheads": (("import asyncio", "import asyncoi"), r"edit.py:\d+: ModuleNotFoundError: No module named 'asyncoi'"),
}


def copied(lab_id: str, tmp_path: Path) -> Lab:
    """A copy of a lab with its starter's edit."""
    chosen = lab.load(ROOT / "labs", lab_id)
    folder = tmp_path / "labs" / lab_id
    shutil.copytree(ROOT / "labs" / lab_id, folder)
    suffix = chosen.edit_file.suffix
    shutil.copyfile(ROOT / "solutions" / lab_id / f"starter{suffix}", folder / f"edit{suffix}")
    return replace(chosen, folder=folder)


@pytest.mark.parametrize("lab_id", UNLOADABLE)
def test_code_that_does_not_load_is_told_in_one_line_instead_of_hints(lab_id: str, tmp_path: Path) -> None:
    """File and line of what keeps it from loading, for every lab alike, and where to go."""
    chosen = copied(lab_id, tmp_path)
    (old, new), told = UNLOADABLE[lab_id]
    put(chosen, chosen.edit_file.read_text().replace(old, new, 1))
    with pytest.raises(Misuse, match=rf"^labs/{lab_id}/{told}") as caught:
        check.check(chosen)
    assert "\n" not in caught.value.message
    assert caught.value.next_step.endswith(f"then make check LAB={lab_id}")


@pytest.mark.parametrize("lab_id", lab.find(ROOT / "labs"))
def test_edit_file_that_is_not_whole_is_told_and_left_as_it_is(lab_id: str, tmp_path: Path) -> None:
    """Markers damaged, empty, missing: what was expected and what to type; nothing is lost."""
    chosen = copied(lab_id, tmp_path)
    check.whole(chosen)
    end = f"# LAB: STEP{chosen.scenario.step} END"
    for damaged, told in (
        (chosen.edit_file.read_text().replace(end, ""), r"markers are damaged: found 1 of .* and 0 of .*, expected"),
        (chosen.edit_file.read_text().replace("TODO", "done"), "markers are damaged: found 0 of"),
        ("", r"edit\.\w+ is empty, expected the edit file"),
    ):
        put(chosen, damaged)
        with pytest.raises(Misuse, match=told) as caught:
            check.check(chosen)
        assert f"solutions/{lab_id}/starter" in caught.value.next_step
        assert chosen.edit_file.read_text() == damaged
    chosen.edit_file.unlink()
    with pytest.raises(Misuse, match="is missing, expected the edit file"):
        check.check(chosen)


def test_edit_that_never_ends_loading_is_ended_and_told(timeouts: Lab) -> None:
    """A loop at the top of the file does not hang the check either."""
    put(timeouts, timeouts.edit_file.read_text() + "while True: pass\n")
    with pytest.raises(Misuse, match="did not end in 2 s"):
        check.check(timeouts, limit_s=2)


def test_endless_loop_is_ended_and_told(timeouts: Lab) -> None:
    """An edit that never ends is a finding, not a check that hangs."""
    put(timeouts, timeouts.edit_file.read_text().replace("    answer.raise_for_status()", "    while True: pass"))
    with pytest.raises(Misuse, match="did not end in 2 s: does the edit loop without waiting"):
        check.check(timeouts, limit_s=2)
