"""What exists is documented, and what is documented exists."""

import re
from pathlib import Path

import click
import pytest

from labdriver import cli, lab, proofs
from labdriver.coach import hint_ladder

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *ROOT.glob("labs/*/README.md"),
    *ROOT.glob("facilitator/*.md"),
    *ROOT.glob("prompts/*.md"),
    *ROOT.glob("driver/**/README.md"),
    *ROOT.glob("services/**/README.md"),
]
LABS = lab.find(ROOT / "labs")


def commands() -> list[str]:
    """Names of all commands."""
    return cli.root.list_commands(click.Context(cli.root))


def make_targets() -> set[str]:
    """Targets of the Makefile that have a help text."""
    return set(re.findall(r"(?m)^([a-z-]+):.*## ", (ROOT / "Makefile").read_text()))


def test_every_make_target_calls_a_command_that_exists() -> None:
    """The Makefile holds verbs only; each is a command of the same name."""
    called = set(re.findall(r"\$\(RUN\) ([a-z-]+)", (ROOT / "Makefile").read_text()))
    assert called <= set(commands())


@pytest.mark.parametrize("name", commands())
def test_every_command_is_named_on_a_page_and_has_an_example(name: str) -> None:
    """A command that no page names is not found; help ends with an example."""
    pages = "\n".join(page.read_text() for page in PAGES)
    assert re.search(rf"(labdriver|make) ([a-z=-]+ )*{name}\b", pages), f"no page names `labdriver {name}`"
    command = cli.root.get_command(click.Context(cli.root), name)
    assert command is not None
    assert "Example: labdriver" in (command.epilog or "")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_name_only_what_exists(page: Path) -> None:
    """Commands, targets and links of a page lead somewhere."""
    text = page.read_text()
    known, targets = set(commands()), make_targets()
    said = re.findall(r"[`$] ?labdriver ([a-z-]+)", text)
    assert [name for name in said if name not in known] == []
    made = re.findall(r"[`$] ?make ([a-z-]+)", text)
    assert [name for name in made if name not in targets] == []
    links = re.findall(r"\]\(([^)#\s]+)\)", text)
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("lab_id", LABS)
def test_facilitator_page_has_a_ladder_that_ends_with_the_way_out(lab_id: str) -> None:
    """Three hints or more, none of which is the solution; the last is rescue."""
    ladder = hint_ladder(ROOT / "facilitator" / f"{lab_id}.md")
    assert len(ladder) >= 4
    assert f"make rescue LAB={lab_id}" in ladder[-1]


@pytest.mark.parametrize("lab_id", LABS)
def test_brief_and_prompt_do_not_give_the_solution_away(lab_id: str) -> None:
    """No line of the reference fix stands in what a participant reads first."""
    chosen = lab.load(ROOT / "labs", lab_id)
    _, variants = proofs.load(ROOT / "solutions", chosen)
    starter = set(variants[0].file.read_text().splitlines())
    fix = {line.strip() for line in variants[1].file.read_text().splitlines() if line not in starter}
    read = (ROOT / "labs" / lab_id / "README.md").read_text() + (ROOT / "prompts" / f"{lab_id}.md").read_text()
    assert [line for line in fix if len(line) > 20 and line in read] == []


def test_every_dependency_has_its_reason() -> None:
    """The README says in one line why each library is there."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[\[><=;]", entry)[0].strip() for entry in wanted}
    table = (ROOT / "README.md").read_text().partition("### Why each dependency is there")[2]
    assert [name for name in sorted(names) if name not in table] == []
