"""A run waits for the end of maintenance, says so, and gives up in time."""

from contextlib import AbstractContextManager
from typing import Any

import pytest
from tests.driver.json_server import serving

from labdriver import maintenance
from labdriver.errors import EnvironmentFault

ON = {"maintenance": {"until_s": 2_000_000_000.0, "left_s": 41.2, "why": "new roof"}}


def readiness(*told: Any) -> AbstractContextManager[str]:
    """An api whose `/readyz` tells one after the other; the last one stays."""
    left = list(told)
    return serving(lambda _: (200, left.pop(0) if len(left) > 1 else left[0]))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "POLL_S", 0.005)
    monkeypatch.setattr(maintenance, "TIMEOUT_S", 60.0)


def test_its_end_is_waited_for_and_told_once() -> None:
    """Why and how long, in one line; it has ended when several looks in a row find none."""
    said: list[str] = []
    none = {"maintenance": None}
    with readiness(ON, ON, none, ON, none) as url:
        maintenance.wait(url, within_s=60, say=said.append)
        assert maintenance.lasting(url) is None
    assert said == ["the api is in maintenance (new roof): waiting for its end in 41 s"]


@pytest.mark.parametrize("told", [{"maintenance": None}, {}, [], {"maintenance": {"left_s": "x", "why": ""}}])
def test_an_api_that_tells_of_none_is_not_waited_for(told: Any) -> None:
    """Nor one of an earlier kit, nor one that tells nonsense."""
    said: list[str] = []
    with readiness(told) as url:
        maintenance.wait(url, within_s=60, say=said.append)
    assert said == []


def test_what_outlasts_the_limit_ends_the_run() -> None:
    """With the seconds left, the reason, the variable, and what to do."""
    with readiness(ON) as url, pytest.raises(EnvironmentFault, match=r"another 41 s \(new roof\).*_S=0.01") as caught:
        maintenance.wait(url, within_s=0.01, say=lambda _: None)
    assert "facilitator" in caught.value.next_step


def test_nobody_there_is_no_maintenance() -> None:
    """Who is not there is somebody else's to tell."""
    with readiness({}) as url:
        pass
    assert maintenance.lasting(url) is None
