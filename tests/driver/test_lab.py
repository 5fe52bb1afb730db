"""Lab scenarios: what is valid, and that every fault is told with its line."""

from pathlib import Path

import pytest

from labdriver import lab
from labdriver.errors import Misuse

ROOT = Path(__file__).resolve().parents[2]


def broken(tmp_path: Path, old: str, new: str) -> str:
    """The message for the timeouts scenario with `old` replaced by `new`."""
    text = (ROOT / "labs" / "timeouts" / "scenario.yaml").read_text()
    assert old in text
    path = tmp_path / "scenario.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(Misuse) as caught:
        lab.read_scenario(path)
    return str(caught.value)


def line_of(text: str) -> int:
    """Line of the shipped scenario that holds `text`, from 1."""
    lines = (ROOT / "labs" / "timeouts" / "scenario.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_shipped_labs_are_valid_and_in_order() -> None:
    """Every lab of the repository loads, in the order of its steps."""
    ids = lab.find(ROOT / "labs")
    steps = [lab.load(ROOT / "labs", lab_id).scenario.step for lab_id in ids]
    assert ids[0] == "timeouts"
    assert steps == sorted(steps)


def test_unknown_lab_lists_the_known_ones() -> None:
    """A mistyped lab is answered with those that exist."""
    with pytest.raises(Misuse, match=r"unknown lab 'timeout', expected one of: timeouts"):
        lab.load(ROOT / "labs", "timeout")


def test_wrong_value_names_file_line_and_allowed_values(tmp_path: Path) -> None:
    """A value outside its list is told with the line it stands on and the list."""
    told = broken(tmp_path, "arrivals: even", "arrivals: evenly")
    assert f"scenario.yaml:{line_of('arrivals: even')}: arrivals:" in told
    assert "'even' or 'poisson'" in told
    assert "'evenly'" in told


def test_nested_fault_is_told_at_its_own_line(tmp_path: Path) -> None:
    """A fault deep in the file is not told at the top."""
    told = broken(tmp_path, "duration_s: 8", "duration_s: -8")
    assert f"scenario.yaml:{line_of('duration_s: 8')}: phases.1.duration_s:" in told


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """Two mistakes give two lines."""
    told = broken(tmp_path, "step: 1\ntitle: Missing timeouts", "step: one\ntitel: Missing timeouts")
    assert "step:" in told
    assert "titel:" in told
    assert "title: Field required" in told


def test_points_must_add_up(tmp_path: Path) -> None:
    """Rules that are not worth 100 points together are refused."""
    assert "add up to 99" in broken(tmp_path, "points: 25", "points: 24")


def test_latency_without_parameter_is_refused(tmp_path: Path) -> None:
    """A lognormal latency needs its median and sigma."""
    assert "needs sigma" in broken(
        tmp_path, "{kind: lognormal, median_ms: 40, sigma: 0.3}", "{kind: lognormal, median_ms: 40}"
    )


@pytest.mark.parametrize(
    ("mix", "told"),
    [
        ("{quotes: 1}", "phase healthy mixes 'quotes', expected one of: quote"),
        ("{quote: 0}", "phase healthy mixes nothing: every weight is 0"),
        ("{quote: -1}", "phases.0.mix.quote"),
    ],
)
def test_a_mix_of_what_is_not_there_is_refused(tmp_path: Path, mix: str, told: str) -> None:
    """A phase can only mix requests that the scenario has."""
    assert told in broken(tmp_path, "    rate_rps: 40\n", f"    rate_rps: 40\n    mix: {mix}\n")


def test_broken_yaml_names_the_line(tmp_path: Path) -> None:
    """YAML that cannot be parsed is told with its line, without a traceback."""
    told = broken(tmp_path, "arrivals: even", "arrivals: [even")
    assert "not YAML" in told


@pytest.mark.parametrize("content", [b"step: 1\ntitle: \xff", b"step: 1\ntitle: \x07"], ids=["latin", "bell"])
def test_file_that_is_no_text_is_misuse(tmp_path: Path, content: bytes) -> None:
    """Bytes of another encoding, characters that YAML does not allow: the lab is broken, not the kit."""
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "scenario.yaml").write_bytes(content)
    with pytest.raises(Misuse, match=r"scenario\.yaml cannot be read \(.*\), expected YAML"):
        lab.load(tmp_path, "odd")


def test_empty_file_is_refused(tmp_path: Path) -> None:
    """An empty file is a broken lab file."""
    path = tmp_path / "scenario.yaml"
    path.write_text("")
    with pytest.raises(Misuse, match=r"scenario\.yaml:1"):
        lab.read_scenario(path)


def test_scaling_keeps_rates() -> None:
    """A scaled scenario is shorter, not slower."""
    whole = lab.load(ROOT / "labs", "timeouts").scenario
    half = whole.scaled(0.5)
    assert half.load_s == pytest.approx(whole.load_s / 2)
    assert [p.rate_rps for p in half.phases] == [p.rate_rps for p in whole.phases]
