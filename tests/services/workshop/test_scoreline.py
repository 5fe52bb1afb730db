"""Score lines as the workshop reads them; the shared cases are read by the driver's test too."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsvc.workshop.scoreline import BadLine, ScoreLine, parse

CASES = json.loads((Path(__file__).resolve().parents[2] / "scorelines.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_shared_case(case: dict[str, Any]) -> None:
    """Both packages make the same of the same text; null stands for a line that is refused."""
    found = parse(case["text"])
    assert case["lines"] == [None if isinstance(line, BadLine) else vars(line) for line in found]


def test_bad_line_says_what_is_wrong() -> None:
    """The reason names the field."""
    (bad,) = parse(CASES[0]["text"].replace("score=87", "score=101"))
    assert isinstance(bad, BadLine)
    assert "score is '101'" in bad.problem


@given(st.text())
def test_any_text_is_read_without_failing(text: str) -> None:
    """Whatever is pasted, nothing breaks and nothing is invented."""
    for line in parse(text + " SCORE " + text + " lab=tx " + text):
        assert isinstance(line, BadLine)


@given(st.text(alphabet="SCORElabscoreokby=checkrun0123456789-. \u202e\u0000\ud800\n", max_size=200))
def test_text_that_looks_like_a_line_is_read_without_failing(text: str) -> None:
    """Half characters, marks of direction and zeros included; what is accepted can be stored."""
    for line in parse(f"SCORE lab=tx score=1 p95_ms=2 ok=0.5 verdict=VALID by={text} run={text} check=0000 {text}"):
        assert isinstance(line, BadLine | ScoreLine)
        for value in vars(line).values():
            str(value).encode()
            assert "\x00" not in str(value)
