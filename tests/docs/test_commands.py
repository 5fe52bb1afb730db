"""Every command that a brief, a prompt or a facilitator's page tells people to type is typed here, as printed.

With make, in a copy of the kit, against a real stack; the phases are a tenth as long. Left to CI's own steps: `make
verify`, `selftest` and `rehearse`, which take minutes, what needs a session, and commands with a name to fill in. For
the name of a participant one is filled in.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import ROOT, Kit, copy_of_kit

from labdriver import lab

pytestmark = pytest.mark.stack

LABS = lab.find(ROOT / "labs")
OPEN_CHECK = 2  # make's exit code for a check that still has hints
HERE = ".venv/bin/labdriver"
ELSEWHERE = {
    "make verify",
    "make quickstart",
    "make test",
    *(f"{HERE} {name}" for name in ("selftest", "rehearse", "submit")),
}
OF_THE_HOUR = ("prework", "agenda", "README", "session", "troubleshooting")
HOLDER = re.compile(r"[A-Z]{3,}|<|>|…$")  # CODE, NAME, URL: to be filled in by a person


def typed(page: Path) -> Iterator[str]:
    """Commands of a page: lines of its console blocks, and inline code that begins with make or .venv/bin/labdriver."""
    text = page.read_text()
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        yield from (line[2:] for line in block.splitlines() if line.startswith("$ "))
    outside = re.sub(r"```.*?```", "", text, flags=re.S)
    yield from re.findall(r"`((?:make|\.venv/bin/labdriver) [^`\n]+)`", outside)


def commands(lab_id: str) -> list[str]:
    """All that is typed for a lab, each once, in the order of first mention.

    What general pages say is typed with the first lab, but for what another lab's own pages say too.
    """
    found = mentioned(own_pages(lab_id), lab_id)
    if lab_id == LABS[0]:
        said_elsewhere = {command for other in LABS[1:] for command in mentioned(own_pages(other), other)}
        general = mentioned([ROOT / "facilitator" / f"{name}.md" for name in OF_THE_HOUR], lab_id)
        found |= {command: None for command in general if command not in said_elsewhere}
    return [
        command
        for command in found
        if not any(command == known or command.startswith(f"{known} ") for known in ELSEWHERE)
        and not HOLDER.search(re.sub(r"(LAB|RUNTIME|BY)=\S+", "", command))
    ]


def own_pages(lab_id: str) -> list[Path]:
    """The pages of one lab."""
    return [
        ROOT / "labs" / lab_id / "README.md",
        *(ROOT / kind / f"{lab_id}.md" for kind in ("prompts", "facilitator")),
    ]


def mentioned(pages: list[Path], lab_id: str) -> dict[str, None]:
    """What the pages tell to type, in this lab and as Ann; a dict for its order."""
    found: dict[str, None] = {}
    for page in pages:
        for command in typed(page):
            typed_here = re.sub(r"LAB=(…|\.\.\.)", f"LAB={lab_id}", command)
            found[typed_here.replace("BY=NAME", "BY=Ann")] = None
    return found


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A copy of the kit in which make works: its own Makefile, the environment of this checkout."""
    made = copy_of_kit(tmp_path_factory.mktemp("workshop"))
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "requirements-dev.txt"):
        shutil.copyfile(ROOT / name, made.root / name)
        os.utime(made.root / name, (0, 0))  # older than .venv, whatever was edited here since make made it
    for name in ("prompts", "facilitator"):
        shutil.copytree(ROOT / name, made.root / name)
    (made.root / ".venv").symlink_to(ROOT / ".venv")
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=made.root, check=True)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", "add", "-A", ":!.venv"], cwd=made.root, check=True)
    subprocess.run(["git", *identity, "commit", "-qm", "kit"], cwd=made.root, check=True)
    kit = Kit(made.root, made.env | {"RUNTIME": "local", "LAB_SCALE": "0.1"})
    assert shell(kit, "make up").returncode == 0
    yield kit
    assert shell(kit, "make down").returncode == 0


def shell(kit: Kit, command: str, *, pasted: str = "") -> subprocess.CompletedProcess[str]:
    """Type a command in the kit's folder, with what is pasted into it."""
    return subprocess.run(
        ["bash", "-c", command], cwd=kit.root, env=kit.env, input=pasted, capture_output=True, text=True, timeout=600
    )


@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="make's environment is not here: run this with make test")
@pytest.mark.parametrize("lab_id", LABS)
def test_everything_that_people_are_told_to_type_works(workshop: Kit, lab_id: str) -> None:
    """In the order in which they meet it; the score lines of the runs are what is pasted into the leaderboard."""
    score_lines: list[str] = []
    to_type = commands(lab_id)
    assert f"make run LAB={lab_id} BY=Ann" in to_type
    for command in to_type:
        done = shell(workshop, command, pasted="\n".join(score_lines))
        allowed = {0, OPEN_CHECK} if " check" in command else {0}
        assert done.returncode in allowed, f"{command}\n{done.stdout}\n{done.stderr}"
        score_lines += [line for line in done.stdout.splitlines() if line.startswith("SCORE ")]
        if re.search(r"make down\b", command):
            assert shell(workshop, "make up").returncode == 0
