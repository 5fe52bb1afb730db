"""Before a run: what is on disk is brought into service, also where a role has stopped answering."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labdriver import lab
from labdriver.errors import EnvironmentFault
from labdriver.lab import Lab
from labdriver.run import serve
from labdriver.stack.checksum import lab_code
from labdriver.stack.runtime import Replica, Status

ROOT = Path(__file__).resolve().parents[2]
HUNG = "does not answer its health checks"


class OneApi:
    """A runtime whose stack is one api: it hangs until something replaces it, or as soon as new code is called."""

    name = "local"

    def __init__(self, chosen: Lab, *, hangs: bool, serves: str, role: str = "api", loops: bool = False) -> None:
        self._lab = chosen
        self._role = role
        self._loops = loops
        self._hangs = hangs
        self._serves = serves
        self.done: list[str] = []

    def status(self) -> Status:
        why = HUNG if self._hangs else ""
        api = Replica(self._role, "api-1", "", 1, not self._hangs, 0, why)
        return Status(True, not self._hangs, (api,), (f"api-1: {why}",) if why else ())

    def served_code(self) -> dict[str, str]:
        """A role that hangs tells nothing."""
        return {} if self._hangs else {self._lab.id: self._serves}

    def dev(self, say: Any) -> None:
        self.done.append("dev")
        self._hangs, self._serves = self._loops, lab_code(self._lab.folder, self._lab.scenario.edit)

    def wait_ready(self) -> Status:
        self.done.append("wait_ready")
        if self._hangs:
            raise EnvironmentFault("not ready", next_step="make up")
        return self.status()


@pytest.fixture
def timeouts(tmp_path: Path) -> Lab:
    """A checkout with this lab alone."""
    folder = tmp_path / "labs" / "timeouts"
    shutil.copytree(ROOT / "labs" / "timeouts", folder)
    return replace(lab.load(ROOT / "labs", "timeouts"), folder=folder)


def test_an_api_that_hangs_is_replaced_and_not_waited_for(timeouts: Lab) -> None:
    """The edit looped and was repaired in the file: no `up`, no `dev`, no minute of waiting for the old one."""
    runtime, said = OneApi(timeouts, hangs=True, serves="?"), []
    status = serve(timeouts, runtime, deploy=True, say=said.append)  # type: ignore[arg-type]
    assert (status.ready, runtime.done) == (True, ["dev", "wait_ready"])
    assert "api" in said[0]


def test_an_api_that_hangs_is_left_alone_without_deploy(timeouts: Lab) -> None:
    """Then it is waited for, and the way out is `make up`."""
    runtime = OneApi(timeouts, hangs=True, serves="?")
    with pytest.raises(EnvironmentFault) as caught:
        serve(timeouts, runtime, deploy=False, say=lambda _: None)  # type: ignore[arg-type]
    assert (runtime.done, caught.value.next_step) == (["wait_ready"], "make up")


@pytest.mark.parametrize("serves", ["what is on disk", "something older"])
def test_a_ready_stack_gets_the_edit_only_when_it_differs(timeouts: Lab, serves: str) -> None:
    """Nothing is replaced for nothing."""
    is_same = serves == "what is on disk"
    code = lab_code(timeouts.folder, timeouts.scenario.edit) if is_same else serves
    runtime = OneApi(timeouts, hangs=False, serves=code)
    assert serve(timeouts, runtime, deploy=True, say=lambda _: None).ready  # type: ignore[arg-type]
    assert runtime.done == ([] if is_same else ["dev", "wait_ready"])


@pytest.mark.parametrize("hangs", [False, True])
def test_an_edit_that_blocks_its_role_is_for_the_run_to_show(timeouts: Lab, hangs: bool) -> None:
    """A customer of the live business may call it before the run does: no fault of the stack, which was ready."""
    runtime, said = OneApi(timeouts, hangs=hangs, serves="?", loops=True), []
    assert not serve(timeouts, runtime, deploy=True, say=said.append).ready  # type: ignore[arg-type]
    assert "endless loop" in said[-1]


def test_a_role_that_the_edit_does_not_touch_is_no_fault_of_the_edit(timeouts: Lab) -> None:
    """Then there is no run."""
    runtime = OneApi(timeouts, hangs=False, serves="?", role="depsim", loops=True)
    with pytest.raises(EnvironmentFault):
        serve(timeouts, runtime, deploy=True, say=lambda _: None)  # type: ignore[arg-type]
