"""What commands refuse or warn of before they touch anything: a run under way, a session, phases too short."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from labdriver import app as apps
from labdriver import join, lock, proofs
from labdriver.app import App
from labdriver.commands import check, coach, dev, down, facilitate, rescue, reset, run, up, verify
from labdriver.errors import EnvironmentFault, LabError, Misuse
from labdriver.settings import Settings
from labdriver.stack.runtime import Change, Status

ROOT = Path(__file__).resolve().parents[2]


class Stack:
    """A runtime that notes what it was asked to do."""

    name = "local"

    def __init__(self, *, is_up: bool = True) -> None:
        self.done: list[str] = []
        self._is_up = is_up

    def __getattr__(self, verb: str) -> Callable[[Any], Change]:
        return lambda _: self.done.append(verb) or Change(True, (verb,), 0.1)  # type: ignore[func-returns-value]

    def status(self) -> Status:
        return Status(self._is_up, self._is_up, (), ())

    def url(self, role: str) -> str:
        return "http://127.0.0.1:1"  # nobody listens there


@dataclass(frozen=True)
class Here(App):
    """A checkout whose stack is the given one."""

    stack: Stack = field(default_factory=Stack)

    def runtime(self) -> Any:
        return self.stack, "asked for"


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """A checkout with one lab, its solution, and a stack that is up."""
    for part in ("labs", "solutions"):
        shutil.copytree(ROOT / part / "timeouts", tmp_path / part / "timeouts")
    return Here(root=tmp_path, runtime_name="local", settings=Settings(ports={}))


def typed(here: Here, command: click.Command, *args: str) -> str:
    """What the command prints; raises what it raises."""
    ran = CliRunner().invoke(command, args, obj=here, standalone_mode=False)
    if ran.exception:
        raise ran.exception
    return ran.output


def session(monkeypatch: pytest.MonkeyPatch, state: str | None) -> None:
    """What this stack's generator answers when it is asked for its session."""
    told = {"session": state and {"name": "Lisbon", "state": state}, "active_participants": 7}
    monkeypatch.setattr(join, "ask", lambda *_, **__: told)


@pytest.mark.parametrize("command", [down.COMMAND, reset.COMMAND, dev.COMMAND, rescue.COMMAND])
def test_nothing_changes_the_stack_under_a_run(
    here: Here, command: click.Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused with who holds it since when; neither the stack nor the edit is touched. Afterwards it goes through."""
    session(monkeypatch, None)
    edit = here.labs / "timeouts" / "edit.py"
    before, args = edit.read_bytes(), ["timeouts"] if command is rescue.COMMAND else []
    with (
        lock.hold(here.run_lock, what="run timeouts", by="alice"),
        pytest.raises(EnvironmentFault, match=r"the stack is in use: run timeouts by alice since .* UTC"),
    ):
        typed(here, command, *args)
    assert (here.stack.done, edit.read_bytes()) == ([], before)
    typed(here, command, "--json", *args)
    assert here.stack.done


def test_up_goes_on_under_a_run(here: Here) -> None:
    """It changes nothing that works."""
    with lock.hold(here.run_lock, what="run timeouts", by="alice"):
        typed(here, up.COMMAND)
    assert here.stack.done == ["up"]


@pytest.mark.parametrize("state", ["running", "paused"])
def test_reset_is_refused_while_a_session_runs(here: Here, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its name and its people, and how to wipe it all the same."""
    session(monkeypatch, state)
    with pytest.raises(Misuse, match=rf"'Lisbon' is {state} on this stack \(people active: 7\)") as caught:
        typed(here, reset.COMMAND)
    assert caught.value.next_step.endswith(".venv/bin/labdriver reset --with-session")
    assert here.stack.done == []
    typed(here, reset.COMMAND, "--with-session")
    assert here.stack.done == ["reset"]


@pytest.mark.parametrize("state", ["ended", None])
def test_reset_goes_on_without_a_running_session(
    here: Here, state: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that has ended, or none."""
    session(monkeypatch, state)
    typed(here, reset.COMMAND)
    assert here.stack.done == ["reset"]


def test_reset_goes_on_where_the_generator_does_not_answer(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken generator is a reason to reset, not one against it."""

    def silent(*_: Any, **__: Any) -> Any:
        raise join.Unreachable("no answer")

    monkeypatch.setattr(join, "ask", silent)
    typed(here, reset.COMMAND)
    assert here.stack.done == ["reset"]


def test_facilitate_without_a_stack_says_how_to_have_one(here: Here) -> None:
    """Nobody is asked at an address where nobody listens."""
    here = replace(here, stack=Stack(is_up=False))
    with pytest.raises(EnvironmentFault, match=r"no stack is up on the runtime local\n  next: make up"):
        typed(here, facilitate.COMMAND)


@pytest.mark.parametrize(
    ("command", "verb"),
    [(run.COMMAND, "run"), (check.COMMAND, "check"), (rescue.COMMAND, "rescue"), (coach.COMMAND, "coach")],
)
def test_labs_are_listed_where_none_or_an_unknown_one_is_named(here: Here, command: click.Command, verb: str) -> None:
    """With the command as it was meant, ready to be typed."""
    for args, told in (((), "no lab was named, expected one of: timeouts"), (("timeuts",), "unknown lab 'timeuts'")):
        with pytest.raises(Misuse, match=told) as caught:
            typed(here, command, *args)
        assert caught.value.next_step == f"make {verb} LAB=timeouts"


@pytest.mark.parametrize("command", [dev.COMMAND, run.COMMAND])
def test_damaged_edit_is_told_before_the_stack_is_asked(here: Here, command: click.Command) -> None:
    """`dev` looks at every lab, `run` at its own."""
    edit = here.labs / "timeouts" / "edit.py"
    edit.write_text(edit.read_text().replace("# LAB: STEP1 END", ""))
    with pytest.raises(Misuse, match=r"labs/timeouts/edit\.py: the markers are damaged"):
        typed(here, command, *(["timeouts"] if command is run.COMMAND else []))
    edit.unlink()
    with pytest.raises(Misuse, match=r"labs/timeouts/edit\.py is missing"):
        typed(here, command, *(["timeouts"] if command is run.COMMAND else []))
    assert here.stack.done == []


@pytest.mark.parametrize("scale", [0.01, 5])
def test_verify_warns_of_phases_shorter_than_the_proofs_promise(
    here: Here, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line with the lab's own value; none when the phases are long enough."""
    own = proofs.load(here.root / "solutions", here.lab("timeouts"))[0].scale_ratio
    monkeypatch.setattr(verify, "own_stacks", _no_stacks)
    monkeypatch.setattr(verify.COMMAND.params[1], "type", click.FLOAT)
    ran = CliRunner().invoke(verify.COMMAND, ["timeouts", "--scale", str(scale)], obj=here, standalone_mode=False)
    assert isinstance(ran.exception, LabError)
    warned = f"at --scale {scale:g} proofs may not hold; the shortest that they promise: timeouts {own:g}" in ran.output
    assert warned == (scale < own)


def _no_stacks(*_: Any, **__: Any) -> Any:
    raise EnvironmentFault("no stacks in this test")


def test_nameless_is_only_a_shared_login_that_nobody_has_replaced(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """--by, LAB_BY and a joined name are names; so is a login of one's own."""
    monkeypatch.setattr(apps.getpass, "getuser", lambda: "codespace")
    assert here.is_nameless(here.by(None))
    assert not here.is_nameless(here.by("alice"))
    named = Here(root=here.root, runtime_name="local", settings=Settings(ports={}, by="codespace"))
    assert not named.is_nameless(named.by(None))
    join.write(here.state, join.Membership("http://x", "ABC234", "t" * 32, "Ann", 1, 1))
    assert (here.by(None), here.is_nameless(here.by(None))) == ("Ann", False)
    join.leave(here.state)
    monkeypatch.setattr(apps.getpass, "getuser", lambda: "ann")
    assert not here.is_nameless(here.by(None))
