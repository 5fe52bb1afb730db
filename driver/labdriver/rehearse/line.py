"""The score line of a bot's run: the same line that a real run prints, with recorded figures."""

from labdriver.rehearse.crowd import Result
from labdriver.score.line import FIELDS, NOTHING, as_token, checksum


def score_line(*, lab: str, run: str, by: str, result: Result, is_valid: bool) -> str:
    """One line, with its check."""
    values = {
        "lab": lab,
        "score": str(result.score),
        "p95_ms": NOTHING if result.p95_ms is None else str(result.p95_ms),
        "ok": f"{result.ok:.3f}",
        "verdict": "VALID" if is_valid else "INVALID",
        "by": as_token(by),
        "run": run,
    }
    text = "SCORE " + " ".join(f"{name}={values[name]}" for name in FIELDS)
    return f"{text} check={checksum(text)}"
