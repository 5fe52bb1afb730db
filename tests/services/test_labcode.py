"""Lab files are loaded as they are on disk, and errors are told in terms of file and line."""

from pathlib import Path

import pytest

from labsvc import labcode


def loaded(tmp_path: Path, text: str) -> object:
    path = tmp_path / "labs" / "timeouts" / "edit.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return labcode.load(path, path.read_bytes())


def test_load_sees_an_edit_of_the_same_length_at_once(tmp_path: Path) -> None:
    """A byte-code cache would serve the older form here: same second, same size."""
    assert [loaded(tmp_path, f"N = {n}").N for n in range(5)] == list(range(5))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\ndef f(:\n    pass\n", "labs/timeouts/edit.py:2: SyntaxError: invalid syntax"),
        ("import nope", "labs/timeouts/edit.py:1: ModuleNotFoundError: No module named 'nope'"),
        ("x = 1\ny = x / 0", "labs/timeouts/edit.py:2: ZeroDivisionError: division by zero"),
    ],
)
def test_told_names_file_line_and_cause(tmp_path: Path, text: str, told: str) -> None:
    """One line, relative to the checkout."""
    with pytest.raises((SyntaxError, ImportError, ArithmeticError)) as caught:
        loaded(tmp_path, text)
    assert labcode.told(caught.value, tmp_path / "labs") == told


def test_load_stops_a_file_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that catches every Exception."""
    monkeypatch.setattr(labcode, "LOAD_LIMIT_S", 0.05)
    with pytest.raises(labcode.NeverEnds) as caught:
        loaded(tmp_path, "while True:\n    try:\n        sum(range(100))\n    except Exception:\n        pass\n")
    assert labcode.told(caught.value, tmp_path / "labs").startswith("labs/timeouts/edit.py:")


def test_load_forgives_a_machine_that_stands_still(tmp_path: Path) -> None:
    """However long it stood, it is one tick of the limit."""
    assert loaded(tmp_path, "import signal\nsignal.raise_signal(signal.SIGALRM)\nN = 1\n").N == 1  # type: ignore[attr-defined]


def test_checksum_is_the_rule_of_the_driver() -> None:
    """Twelve hex digits of sha256 over the contents one after the other."""
    assert labcode.checksum(b"a", b"bc") == "ba7816bf8f01"
