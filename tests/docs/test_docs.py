"""What exists is documented, and what is documented exists."""

import re
from pathlib import Path

import click
import pytest
import yaml

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
    assert "Example: .venv/bin/labdriver" in (command.epilog or "")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages_name_only_what_exists(page: Path) -> None:
    """Commands, targets and links of a page lead somewhere."""
    text = page.read_text()
    known, targets = set(commands()), make_targets()
    said = re.findall(r"[`$] ?(?:\.venv/bin/)?labdriver ([a-z-]+)", text)
    assert [name for name in said if name not in known] == []
    made = re.findall(r"[`$] ?make ([a-z-]+)", text)
    assert [name for name in made if name not in targets] == []
    links = re.findall(r"\]\(([^)#\s]+)\)", text)
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def keys_of_troubleshooting() -> list[str]:
    """What stands as code in the first column."""
    rows = re.findall(r"(?m)^\| (.+?) \|", (ROOT / "facilitator" / "troubleshooting.md").read_text())
    return [key for cell in rows for key in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("key", keys_of_troubleshooting())
def test_troubleshooting_is_keyed_by_what_the_kit_says(key: str) -> None:
    """Each key stands in the source, so that whoever looks for what is on the screen finds it."""
    assert len(key) > 5
    sources = [*ROOT.glob("driver/labdriver/**/*.py"), *ROOT.glob("services/labsvc/**/*.py")]
    assert any(key in source.read_text() for source in sources)


def minutes(cell: str) -> tuple[float, float]:
    """`4–8` → (4, 8)."""
    begin, _, end = cell.strip().partition("–")
    return float(begin), float(end)


def assert_one_after_the_other(spans: list[tuple[float, float]], begin: float, end: float) -> None:
    """Without a gap, from `begin` to `end`."""
    assert [spans[0][0], *(to for _, to in spans)] == [*(start for start, _ in spans), end]
    assert spans[0][0] == begin


def test_the_hours_minutes_add_up() -> None:
    """Plan, agenda, the rhythm of each step and the facilitator's page of each step give the same 60 minutes."""
    plan = yaml.safe_load((ROOT / "services/labsvc/workshop/plan.yaml").read_text())["segments"]
    agenda = (ROOT / "facilitator" / "agenda.md").read_text()
    hour = [minutes(cell) for cell in re.findall(r"(?m)^\| (\d+–\d+) \| (?:Intro|Step|Close)", agenda)]
    assert_one_after_the_other(hour, 0, 60)
    assert [end - begin for begin, end in hour] == [segment["minutes"] for segment in plan]
    rhythm = re.findall(r"(?m)^\| \*\*.*?\| (\d+–\d+) \| (\d+–\d+) \| (\d+–\d+) \| (\d+–\d+) \|$", agenda)
    for place, lab_id in enumerate(LABS):
        begin, end = hour[place + 1]
        column = [minutes(row[place]) for row in rhythm]
        assert_one_after_the_other(column, 0, end - begin)
        page = (ROOT / "facilitator" / f"{lab_id}.md").read_text()
        own = re.findall(r"(?m)^\| (\d+–\d+) \| (\d+–\d+) \|", page)
        assert [minutes(step) for step, _ in own] == column
        assert_one_after_the_other([minutes(at) for _, at in own], begin, end)


@pytest.mark.parametrize("page", [p for p in PAGES if "driver" not in p.parts and "services" not in p.parts], ids=str)
def test_commands_can_be_typed_as_printed(page: Path) -> None:
    """`labdriver` is in .venv/bin, which is on nobody's PATH: people are told make, or where it is."""
    assert re.findall(r"`labdriver [^`]*`|\$ labdriver .*", page.read_text()) == []


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
