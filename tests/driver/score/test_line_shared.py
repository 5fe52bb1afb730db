"""Score lines as the driver reads them, on the cases that the workshop's own reader must agree with."""

import json
from pathlib import Path
from typing import Any

import pytest

from labdriver.score.line import parse

CASES = json.loads((Path(__file__).resolve().parents[2] / "scorelines.json").read_text(encoding="utf-8"))
FIELDS = ("lab", "score", "p95_ms", "ok_ratio", "verdict", "by", "run", "scale_ratio")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_shared_case(case: dict[str, Any]) -> None:
    """Both packages make the same of the same text; null stands for a line that is refused."""
    found = [None if line.problem else {name: getattr(line, name) for name in FIELDS} for line in parse(case["text"])]
    assert case["lines"] == found
