"""The example of the kernel's README, run as it stands there."""

import re
from pathlib import Path

import pytest

from labsvc.sim.instant import HOUR_US
from labsvc.sim.simulation import Simulation, restore
from labsvc.sim.snapshot import Snapshot

README = Path(__file__).resolve().parents[3] / "services" / "labsvc" / "sim" / "README.md"


@pytest.fixture
def bakery(tmp_path: Path) -> object:
    """The world of the README with its scenario beside it."""
    text = README.read_text(encoding="utf-8")
    code, scenario = (re.findall(rf"```{kind}\n(.*?)```", text, re.S) for kind in ("python", "yaml"))
    (tmp_path / "school-trip.yaml").write_text(scenario[0])
    names: dict[str, object] = {"FOLDER": tmp_path}
    exec(code[0], names)
    return names["Bakery"]()  # type: ignore[operator]


def test_the_example_runs_and_its_scenario_works(bakery: object) -> None:
    """Customers come, the trip brings more, the truth knows why, and a restart changes nothing."""
    simulation = Simulation(bakery, seed=1, start_us=0)  # type: ignore[arg-type]
    records: list[object] = []
    simulation.kernel.observe(records.append)
    simulation.kernel.run_until(9 * HOUR_US)
    simulation.kernel.command("scenario.trigger", id="school-trip")
    simulation.kernel.command("bakery.staff", count=3)
    simulation.kernel.run_until(14 * HOUR_US)
    causes = {r.cause for r in records if r.stream != "external"}  # type: ignore[attr-defined]
    assert causes == {"baseline", "event:school-trip.1/bus"}
    assert [a["phase"] for a in simulation.scenarios.present()["activations"]] == ["settled"]
    stored = Snapshot.model_validate_json(simulation.snapshot().model_dump_json())
    assert restore(type(bakery)(), stored).kernel.fingerprint() == simulation.kernel.fingerprint()
