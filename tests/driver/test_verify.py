"""The stacks of a verify: copies that go again, whatever happens on the way."""

from pathlib import Path
from typing import Any

import pytest

from labdriver import verify
from labdriver.errors import EnvironmentFault
from labdriver.settings import Settings


class Stillborn:
    """A runtime whose stack does not come up."""

    done: list[str] = []

    def __init__(self, *_: Any, **__: Any) -> None:
        self.done.clear()

    def up(self, _say: Any) -> None:
        self.done.append("up")
        raise EnvironmentFault("Postgres does not start")

    def down(self, _say: Any) -> None:
        self.done.append("down")


def test_a_stack_that_does_not_come_up_is_taken_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a stack, or Ctrl-C in the middle: nothing runs on unseen. What the verify before reported goes too."""
    monkeypatch.setattr(verify, "LocalRuntime", Stillborn)
    for folder in ("labs", "k8s", "solutions", ".lab/verify/1/reports"):
        (tmp_path / folder).mkdir(parents=True)
    with (
        pytest.raises(EnvironmentFault, match="does not start"),
        verify.own_stacks(tmp_path, Settings(ports={}), 1, say=lambda _: None),
    ):
        pytest.fail("a stack that is not up was given")
    assert Stillborn.done == ["down", "up", "down"]
    assert not (tmp_path / ".lab" / "verify" / "1" / "reports").exists()
