"""Every lab is complete: the four trees that belong to it are keyed by its id and agree with one another."""

from pathlib import Path

import pytest

from labdriver import lab, markers, proofs

ROOT = Path(__file__).resolve().parents[2]
LABS = lab.find(ROOT / "labs")


@pytest.mark.parametrize("lab_id", LABS)
def test_lab_has_all_its_companions(lab_id: str) -> None:
    """A lab without its brief, check, prompt, solution or proofs is not finished."""
    chosen = lab.load(ROOT / "labs", lab_id)
    suffix = chosen.edit_file.suffix
    wanted = [
        *(
            f"labs/{lab_id}/{name}"
            for name in ("README.md", "scenario.yaml", "service.py", f"edit{suffix}", "test_check.py")
        ),
        f"prompts/{lab_id}.md",
        *(f"solutions/{lab_id}/{name}" for name in (f"edit{suffix}", f"starter{suffix}", "NOTES.md", "proofs.yaml")),
    ]
    assert [name for name in wanted if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("lab_id", LABS)
def test_every_fix_stays_inside_the_markers(lab_id: str) -> None:
    """What a participant may not change, no solution changes either."""
    chosen = lab.load(ROOT / "labs", lab_id)
    _, variants = proofs.load(ROOT / "solutions", chosen)
    outside = {
        v.name: markers.split(v.file.read_text(), step=chosen.scenario.step, name=v.name).outside for v in variants
    }
    edit = markers.split(chosen.edit_file.read_text(), step=chosen.scenario.step, name="edit").outside
    assert [name for name, lines in outside.items() if lines != edit] == []


@pytest.mark.parametrize("lab_id", LABS)
def test_solution_is_short(lab_id: str) -> None:
    """A participant's fix takes about ten lines."""
    chosen = lab.load(ROOT / "labs", lab_id)
    _, variants = proofs.load(ROOT / "solutions", chosen)
    inside = {
        v.kind: markers.split(v.file.read_text(), step=chosen.scenario.step, name=v.name).inside for v in variants[:2]
    }
    assert len(set(inside["solution"]) - set(inside["starter"])) <= 10


@pytest.mark.parametrize("lab_id", LABS)
def test_brief_names_every_rule_with_its_points(lab_id: str) -> None:
    """The table "what counts" is the scenario's own."""
    chosen = lab.load(ROOT / "labs", lab_id)
    brief = (ROOT / "labs" / lab_id / "README.md").read_text()
    assert [r.id for r in chosen.scenario.rules if f"| {r.id} | {r.points:g} |" not in brief] == []


def test_nothing_belongs_to_a_lab_that_does_not_exist() -> None:
    """Companions of a renamed or deleted lab are found."""
    prompts = {p.stem for p in (ROOT / "prompts").glob("*.md")} - {"README"}
    solutions = {p.name for p in (ROOT / "solutions").iterdir() if p.is_dir()}
    assert prompts | solutions <= set(LABS)
