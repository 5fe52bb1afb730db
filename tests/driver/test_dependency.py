"""The driver's side of depsim: the script it sends, the ledger it reads back."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from tests.driver.json_server import serving

from labdriver import lab
from labdriver.errors import EnvironmentFault
from labdriver.probe.dependency import DependencyClient, script

ROOT = Path(__file__).resolve().parents[2]


def served(answers: dict[str, Any]) -> AbstractContextManager[str]:
    """A server that answers each path with its JSON; a missing path is a 404."""
    return serving(lambda path: (200 if path in answers else 404, answers.get(path)))


def answers(**script_state: Any) -> dict[str, Any]:
    """What a depsim with one answered call at epoch 1000.5 says."""
    call = {"n": 1, "id": "c1", "operation": "pricing", "key": "oak-65", "phase": "hanging", "at_s": 1000.5}
    call |= {"done_s": 1000.54, "outcome": "answered", "answer": {"price_cents": 1}}
    return {
        "/admin/script": {"id": "r1", "phase": "hanging", "entered": ["warm-up", "healthy", "hanging"], "now_s": 0}
        | script_state,
        "/admin/counts": {
            "now_s": 0,
            "operations": {"pricing": {"injected": {"hang": 2}}, "payment": {"injected": {"hang": 1}}},
        },
        "/admin/ledger": {"now_s": 0, "total": 1, "calls": [call]},
    }


def test_script_starts_with_the_warm_up_as_the_first_phase_behaves() -> None:
    """The warm-up is the first phase's behaviour, under its own name."""
    scenario = lab.load(ROOT / "labs", "timeouts").scenario
    document = script(scenario, run_id="r1", seed=7, start_at_s=12.0)
    assert [p["name"] for p in document["phases"]] == ["warm-up", *(p.name for p in scenario.phases)]
    assert document["phases"][0]["operations"] == document["phases"][1]["operations"]
    assert document["phases"][0]["duration_s"] == scenario.warm_up_s


def test_close_brings_the_ledger_into_run_time() -> None:
    """Ledger times become seconds since t0, the clock offset taken out; faults are added up over operations."""
    with served(answers()) as url:
        closed = DependencyClient(url).close(
            run_id="r1", phases=("healthy", "hanging"), t0_epoch_s=990.0, offset_s=10.0
        )
    assert closed.dependency.intact
    assert closed.dependency.injected == {"hang": 3}
    assert closed.calls[0].at_s == pytest.approx(0.5)
    assert closed.calls[0].done_s == pytest.approx(0.54)


def test_calls_of_the_live_business_are_kept_apart() -> None:
    """Neither among the run's calls, nor counted, nor among its faults."""
    told = answers()
    (call,) = told["/admin/ledger"]["calls"]
    others = [call | {"n": n, "id": f"c{n}", "traffic": traffic} for n, traffic in ((2, "background"), (3, "load"))]
    told["/admin/ledger"]["calls"] += others
    told["/admin/counts"]["background"] = {"pricing": {"injected": {"hang": 7}}}
    with served(told) as url:
        closed = DependencyClient(url).close(run_id="r1", phases=(), t0_epoch_s=0, offset_s=0)
    assert [call.id for call in closed.calls] == ["c1", "c3"]
    assert [call.id for call in closed.background] == ["c2"]
    assert (closed.dependency.calls, closed.dependency.injected) == (2, {"hang": 3})


@pytest.mark.parametrize(
    ("state", "why"),
    [({"id": None}, "replaced or cleared"), ({"entered": ["warm-up"]}, "never entered the phase healthy, hanging")],
)
def test_close_tells_a_script_that_was_not_in_force(state: dict[str, Any], why: str) -> None:
    """A cleared script or a phase that never came makes the dependency not intact, with the reason."""
    with served(answers(**state)) as url:
        closed = DependencyClient(url).close(run_id="r1", phases=("healthy", "hanging"), t0_epoch_s=0, offset_s=0)
    assert not closed.dependency.intact
    assert why in closed.dependency.why


def test_dead_dependency_is_an_environment_fault() -> None:
    """Nobody there: the address, what was asked, and the command that mends it."""
    with served({}) as url:
        pass
    with pytest.raises(EnvironmentFault, match=r"did not answer GET /admin/script") as caught:
        DependencyClient(url).clock_offset_s()
    assert caught.value.next_step == "make up"
