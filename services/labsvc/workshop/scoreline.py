"""Reads score lines out of pasted text: the design's contract, seen from the receiving side.

    SCORE lab=timeouts score=87 p95_ms=412 ok=0.992 verdict=VALID by=alice run=20261121T101502Z check=3f2a

`check` is the first four hex digits of the SHA-256 of the line before it. A run that was shorter or longer than its
scenario says `scale=0.25` before the check, and counts on no board. The driver writes such lines and reads them
too; `tests/scorelines.json` holds what both must make of the same text.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from labsvc.rest import clean

FIELDS = ("lab", "score", "p95_ms", "ok", "verdict", "by", "run")
SCALE = "scale"  # only where it is not 1
NOTHING = "-"  # a figure that nobody measured
P95_LIMIT_MS = 10_000_000

_BEGIN = re.compile(r"\W*SCORE")  # a chat may have put a quotation mark before it
_FIELD = re.compile(r"(\w+)=(\S*)")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class ScoreLine:
    """One line whose check is right."""

    lab: str
    score: int  # 0–100
    p95_ms: int | None
    ok_ratio: float
    verdict: str  # VALID, INVALID
    by: str
    run: str
    scale_ratio: float = 1.0

    @property
    def counts(self) -> bool:
        """On a board: VALID, and of the length that the scenario says."""
        return self.verdict == "VALID" and self.scale_ratio == 1


@dataclass(frozen=True)
class BadLine:
    """One line that cannot be taken."""

    text: str
    problem: str


def parse(text: str) -> list[ScoreLine | BadLine]:
    """Every score line in a text, in order; whatever stands around them is ignored."""
    words = unicodedata.normalize("NFC", text).split()
    found: list[ScoreLine | BadLine] = []
    for at, word in enumerate(words):
        if _BEGIN.fullmatch(word) and (fields := _fields(words[at + 1 : at + 3 + len(FIELDS)])):
            found.append(_line(fields))
    return found


def checksum(text: str) -> str:
    """Four hex digits over the line up to its check."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:4]


def _fields(words: list[str]) -> dict[str, str]:
    """The fields that stand one after the other; the first word that is none, or is there twice, ends the line."""
    fields: dict[str, str] = {}
    for word in words:
        match = _FIELD.match(word)
        if match is None or match[1] not in (*FIELDS, SCALE, "check") or match[1] in fields:
            break
        fields[match[1]] = match[2]
    return fields


def _line(fields: dict[str, str]) -> ScoreLine | BadLine:
    text = "SCORE " + " ".join(f"{name}={fields[name]}" for name in (*FIELDS, SCALE) if name in fields)
    problem = _problem(fields, text)
    if problem:
        return BadLine(clean(text)[:200], problem)
    p95 = fields["p95_ms"]
    return ScoreLine(
        lab=fields["lab"],
        score=int(fields["score"]),
        p95_ms=None if p95 == NOTHING else int(p95),
        ok_ratio=float(fields["ok"]),
        verdict=fields["verdict"],
        by=name_of(fields["by"]),
        run=fields["run"],
        scale_ratio=float(fields.get(SCALE, "1")),
    )


def name_of(token: str) -> str:
    """The name that a line spells as one word: `Ann_Lee` is Ann Lee."""
    return clean(unquote(token.replace("_", " "), errors="replace"))[:60]


def _problem(fields: dict[str, str], text: str) -> str:
    missing = [name for name in (*FIELDS, "check") if name not in fields]
    if missing:
        return f"{', '.join(missing)} is missing"
    wrong = [name for name, fits in _FITS.items() if name in fields and not fits(fields[name])]
    if wrong:
        return "; ".join(f"{name} is {clean(fields[name])[:40]!r}" for name in wrong)
    if fields["check"][:4].lower() != checksum(text):
        return f"its check {clean(fields['check'][:4])} does not match: something in the line was changed or mistyped"
    return ""


def _is_whole(text: str, highest: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= highest


def _is_share(text: str) -> bool:
    return re.fullmatch(r"[01](\.\d{1,9})?", text, re.ASCII) is not None and float(text) <= 1


_FITS: dict[str, Callable[[str], bool]] = {
    "lab": lambda text: _WORD.fullmatch(text) is not None,
    "score": lambda text: _is_whole(text, 100),
    "p95_ms": lambda text: text == NOTHING or _is_whole(text, P95_LIMIT_MS),
    "ok": _is_share,
    "verdict": lambda text: text in ("VALID", "INVALID"),
    "by": lambda text: bool(name_of(text)),
    "run": lambda text: _WORD.fullmatch(text) is not None,
    SCALE: lambda text: re.fullmatch(r"\d{1,4}(\.\d{1,6})?", text, re.ASCII) is not None,
}
