"""What a run asks of a role that scales: figures of every replica before it begins, a look a second while it runs."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from labdriver import growth
from labdriver.errors import EnvironmentFault
from labdriver.stack.runtime import ScaledTarget

TWO = ScaledTarget("estimator", 3, 2, 1, 6, 0.15, None, (0.1, 0.2), ("ScalingActive False FailedGet: why",))


def runtime(*told: Any) -> Any:
    """A runtime that tells one after the other of what it scales; the last one stays."""
    left, done = list(told), []

    def scaling() -> tuple[ScaledTarget, ...]:
        now = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(now, Exception):
            raise now
        return (now,) if now else ()

    return SimpleNamespace(
        scaling=scaling,
        done=done,
        unscale=lambda _: done.append("unscale"),
        wait_ready=lambda: done.append("wait_ready"),
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "POLL_S", 0.001)


@pytest.mark.parametrize(
    ("changed", "measured"),
    [
        ({}, True),
        ({"used_cores": None}, False),
        ({"used_cores": (0.1,)}, False),
        ({"ready": 0, "used_cores": ()}, False),
        ({"wanted": 0, "ready": 0, "used_cores": None}, True),
    ],
    ids=["both", "none", "one_of_two", "nobody_ready", "scaled_to_none"],
)
def test_every_ready_replica_must_have_a_figure(changed: dict[str, Any], measured: bool) -> None:
    """A role that was scaled to none has nothing to be measured."""
    assert growth.is_measured(replace(TWO, **changed)) is measured


def test_run_begins_with_the_first_count_and_waits_for_figures() -> None:
    """Put back, waited for, said once."""
    said: list[str] = []
    made = runtime(replace(TWO, used_cores=None), replace(TWO, used_cores=(0.1,)), TWO)
    growth.prepare(made, "estimator", said.append)
    assert made.done == ["unscale", "wait_ready"]
    assert said == ["waiting for the first processor figures of estimator"]


def test_platform_without_figures_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not the edit's fault, and the message says so; nor is a role that the stack does not know."""
    monkeypatch.setattr(growth, "METRICS_DEADLINE_S", 0.01)
    with pytest.raises(EnvironmentFault, match="although 2 of its replicas are ready; this is not the edit's fault"):
        growth.prepare(runtime(replace(TWO, used_cores=None)), "estimator", lambda _: None)
    with pytest.raises(EnvironmentFault, match="does not know that estimator scales"):
        growth.prepare(runtime(None), "estimator", lambda _: None)


def test_follower_tells_figures_that_there_are_and_each_complaint_once() -> None:
    """No limit, no figure for it; a platform that is silent for a second tells nothing."""
    other = replace(TWO, conditions=("ScalingLimited True TooManyReplicas: more",), used_cores=None)
    follower = growth.Follower(runtime(TWO, EnvironmentFault("no answer"), TWO, other), "estimator")
    looks = [follower.look() for _ in range(4)]
    assert looks[0] == looks[2]
    assert looks[0]["estimator.replica_cores"] == pytest.approx(0.15)
    assert (looks[0]["estimator.busiest_cores"], looks[0]["estimator.is_measured"]) == (0.2, 1.0)
    assert "estimator.limit_cores" not in looks[0]
    assert looks[1] == {}
    assert (looks[3]["estimator.is_measured"], "estimator.replica_cores" in looks[3]) == (0.0, False)
    assert follower.conditions == (*TWO.conditions, *other.conditions)
