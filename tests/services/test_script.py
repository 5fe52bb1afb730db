"""The phase script: time arithmetic, and what is refused when it is armed."""

from typing import Any

import pytest
from pydantic import ValidationError

from labsvc.depsim.script import Script, first_fault


def document(**changes: Any) -> dict[str, Any]:
    behaviour = {"latency": {"kind": "constant", "ms": 5}, "faults": [{"kind": "hang", "share_ratio": 0.5}]}
    phases = [
        {"name": "well", "duration_s": 6, "operations": {"pricing": behaviour}},
        {"name": "ill", "duration_s": 8, "operations": {}},
    ]
    return {"id": "r1", "seed": 1, "start_at_s": 100.0, "phases": phases, **changes}


@pytest.mark.parametrize(
    ("now_s", "name", "entered"),
    [
        (99.9, None, []),
        (100.0, "well", ["well"]),
        (105.9, "well", ["well"]),
        (106.0, "ill", ["well", "ill"]),
        (999.0, "ill", ["well", "ill"]),
    ],
)
def test_phase_in_force_follows_the_clock(now_s: float, name: str | None, entered: list[str]) -> None:
    """None before the start; the last phase stays."""
    script = Script.model_validate(document())
    phase = script.phase(now_s)
    assert (phase.name if phase else None, script.entered(now_s)) == (name, entered)


def with_faults(*faults: dict[str, Any], operation: str = "pricing") -> dict[str, Any]:
    behaviour = {"latency": {"kind": "constant", "ms": 5}, "faults": list(faults)}
    return document(phases=[{"name": "p", "duration_s": 1, "operations": {operation: behaviour}}])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (with_faults({"kind": "melt", "share_ratio": 0.1}), "unknown fault 'melt', expected one of: drop, error, hang"),
        (with_faults({"kind": "hang", "share_ratio": 1.5}), "faults.0.share_ratio"),
        (with_faults(*[{"kind": "hang", "share_ratio": 0.6}] * 2), "add up to 1.2, expected at most 1"),
        (with_faults({"kind": "error", "share_ratio": 0.1, "status": 200}), "status"),
        (with_faults(operation="weather"), "unknown operation weather, expected one of: notice, payment, pricing"),
        (document(phases=[]), "phases"),
        (document(speed=2), "speed"),
    ],
)
def test_a_wrong_script_is_refused_with_the_reason(wrong: dict[str, Any], told: str) -> None:
    """Where, what, and the allowed values."""
    with pytest.raises(ValidationError) as caught:
        Script.model_validate(wrong)
    assert told in first_fault(caught.value)


def test_keys_of_other_faults_are_ignored() -> None:
    """The driver sends its defaults with every fault: `status` means nothing to `hang`."""
    Script.model_validate(with_faults({"kind": "hang", "share_ratio": 0.1, "status": 503}))
