"""Makes a new lab with all its companions from `labs/_template/`: every tree that is keyed by a lab's id gets its part.

What it makes is complete (the contract test passes) and runs; its author replaces story, scenario and fixes.
"""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from labdriver import lab
from labdriver.errors import Misuse
from labdriver.verbs import to_type

STARTER = """    answered = await pricing.get(path)
    return Reply(answered.status_code, {**answered.json(), "stale": False})"""
TRIES = """    for _ in range({tries}):
        answered = await pricing.get(path)
        if answered.status_code < 400:
            break
    return Reply(answered.status_code, {{**answered.json(), "stale": False}})"""
REFUSE = """    return Reply(503, {"error": "too busy"})"""

# where each part goes, by its template; `inside` is what stands between the markers
PARTS = (
    ("labs/{id}/README.md", "README.md.j2", ""),
    ("labs/{id}/scenario.yaml", "scenario.yaml.j2", ""),
    ("labs/{id}/service.py", "service.py.j2", ""),
    ("labs/{id}/edit.py", "edit.py.j2", STARTER),
    ("labs/{id}/test_check.py", "test_check.py.j2", ""),
    ("prompts/{id}.md", "prompt.md.j2", ""),
    ("facilitator/{id}.md", "facilitator.md.j2", ""),
    ("solutions/{id}/NOTES.md", "notes.md.j2", ""),
    ("solutions/{id}/proofs.yaml", "proofs.yaml.j2", ""),
    ("solutions/{id}/starter.py", "edit.py.j2", STARTER),
    ("solutions/{id}/edit.py", "edit.py.j2", TRIES.format(tries=4)),
    ("solutions/{id}/right/five_tries.py", "edit.py.j2", TRIES.format(tries=5)),
    ("solutions/{id}/right/three_tries.py", "edit.py.j2", TRIES.format(tries=3)),
    ("solutions/{id}/wrong/refuse_all.py", "edit.py.j2", REFUSE),
)


def make(root: Path, lab_id: str) -> list[Path]:
    """Write every part of the lab and return their paths. Raises Misuse for a bad id, or when any part is there."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{1,30}", lab_id):
        told = f"{lab_id!r} is no id of a lab, expected a-z, 0-9 and -, starting with a letter"
        raise Misuse(told, next_step=to_type("new-lab", "ANOTHER-ID"))
    targets = [root / place.format(id=lab_id) for place, _, _ in PARTS]
    there = [path for path in targets if path.exists()]
    if there:
        raise Misuse(f"{there[0].relative_to(root)} is already there", next_step=to_type("new-lab", "ANOTHER-ID"))
    steps = [lab.load(root / "labs", known).scenario.step for known in lab.find(root / "labs")]
    templates = Environment(
        loader=FileSystemLoader(root / "labs" / "_template"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # writes source files, not pages
    )
    for target, (_, template, inside) in zip(targets, PARTS, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        values = {"id": lab_id, "step": max(steps, default=0) + 1, "inside": inside}
        target.write_text(templates.get_template(template).render(values), encoding="utf-8")
    return targets
