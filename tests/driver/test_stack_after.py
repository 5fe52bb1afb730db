"""What happened to the stack under a run: restarts count, replicas that an autoscaler gives and takes do not."""

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest

from labdriver import lab
from labdriver.errors import EnvironmentFault
from labdriver.run import Prepared, _stack_after
from labdriver.stack.runtime import Replica, Status

ROOT = Path(__file__).resolve().parents[2]


def replica(role: str, number: int, *, pid: int, restarts: int = 0) -> Replica:
    return Replica(role, f"{role}-{number}", "", pid, True, restarts)


WORKER = replica("worker", 1, pid=1)
TWO = (replica("estimator", 1, pid=2), replica("estimator", 2, pid=3))


def restarts(before: Iterable[Replica], after: Iterable[Replica], *, answers: bool = True) -> dict[str, int]:
    """Of a run of the bulkheads lab, on a stack where another lab scales the estimator."""

    def scaling() -> list[SimpleNamespace]:
        if not answers:
            raise EnvironmentFault("no answer")
        return [SimpleNamespace(role="estimator")]

    runtime = SimpleNamespace(
        status=lambda: Status(True, True, tuple(after), ()), scaling=scaling, served_code=lambda: {}
    )
    chosen = lab.load(ROOT / "labs", "bulkheads")
    was = Status(True, True, tuple(before), ())
    prepared = Prepared(chosen, chosen.scenario, runtime, was, None, 0.0)  # type: ignore[arg-type]
    return _stack_after(prepared).restarts


@pytest.mark.parametrize(("before", "after"), [(TWO, TWO[:1]), (TWO[:1], TWO)], ids=["taken", "given"])
def test_replicas_of_another_labs_autoscaler_come_and_go(
    before: tuple[Replica, ...], after: tuple[Replica, ...]
) -> None:
    """It goes on scaling after its own run: seen for real, a run of bulkheads after one of autoscale was INVALID."""
    assert restarts((WORKER, *before), (WORKER, *after)) == {}


def test_a_process_that_ended_is_a_restart_whatever_scales_it() -> None:
    """Started again in its place; or replaced by another one, where nothing scales."""
    again = replica("estimator", 1, pid=9, restarts=1)
    assert restarts((WORKER, TWO[0]), (WORKER, again)) == {"estimator": 1}
    assert restarts((WORKER, TWO[0]), (replica("worker", 1, pid=9), TWO[0])) == {"worker": 1}


def test_a_platform_that_does_not_tell_what_it_scales_hides_nothing() -> None:
    """Then every replica that is gone counts."""
    assert restarts((WORKER, *TWO), (WORKER, TWO[0]), answers=False) == {"estimator": 1}
