"""The score line: one line, made to be pasted into a chat and read back from it.

    SCORE lab=timeouts score=87 p95_ms=412 ok=0.992 verdict=VALID by=alice run=20261121T101502Z check=3f2a

`check` is a short checksum over the rest. It catches what typing and chats do to a line; it is no secret and proves
nothing. A run that was shorter or longer than its scenario says so in `scale=0.25` before the check, and counts on no
board. Values hold no spaces: in a name a space is written `_`, anything unusual as `%XX`.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from labdriver.record import Head
from labdriver.score.card import Card
from labdriver.score.verdict import Verdict

FIELDS = ("lab", "score", "p95_ms", "ok", "verdict", "by", "run")
SCALE = "scale"  # only where it is not 1
NOTHING = "-"  # a figure that nobody measured

_BEGIN = re.compile(r"\W*SCORE")  # a chat may have put a quotation mark before it
_WORD = re.compile(r"(\w+)=(\S*)")


@dataclass(frozen=True)
class ScoreLine:
    """One line as it was read. `problem` is empty when it can be trusted as far as a checksum goes."""

    lab: str
    score: int
    p95_ms: int | None
    ok_ratio: float
    verdict: str
    by: str
    run: str
    scale_ratio: float = 1.0
    problem: str = ""

    @property
    def counts(self) -> bool:
        """On a leaderboard: whole, VALID, and of the length that the scenario says."""
        return not self.problem and self.verdict == "VALID" and self.scale_ratio == 1


def format(head: Head, card: Card) -> str:
    """The line of a run, without a line end."""
    return compose(
        lab=head.lab,
        score=card.score,
        p95_ms=card.metrics["p95_ms"],
        ok_ratio=card.metrics["ok_ratio"],
        verdict=card.verdict,
        by=head.by,
        run=head.run,
        scale_ratio=head.scale_ratio,
    )


def compose(
    *,
    lab: str,
    score: int,
    p95_ms: int | None,
    ok_ratio: float,
    verdict: Verdict,
    by: str,
    run: str,
    scale_ratio: float = 1.0,
) -> str:
    """The same from its parts."""
    values = (lab, score, NOTHING if p95_ms is None else p95_ms, f"{ok_ratio:.3f}", verdict, as_token(by), run)
    text = "SCORE " + " ".join(f"{name}={value}" for name, value in zip(FIELDS, values, strict=True))
    if scale_ratio != 1:
        text += f" {SCALE}={scale_ratio:g}"
    return f"{text} check={checksum(text)}"


def parse(text: str) -> list[ScoreLine]:
    """Every score line in `text`, in order: a chat's export, a mail, one line.

    A line that is broken or does not match its checksum is returned too, with its `problem` in words.
    """
    words = unicodedata.normalize("NFC", text).split()
    starts = [at for at, word in enumerate(words) if _BEGIN.fullmatch(word)]
    found = []
    for at in starts:
        fields: dict[str, str] = {}
        for word in words[at + 1 :]:
            match = _WORD.match(word)
            if match is None or match[1] not in (*FIELDS, SCALE, "check") or match[1] in fields:
                break
            fields[match[1]] = match[2]
        if fields:  # else just the word SCORE in a sentence
            found.append(_line(fields))
    return found


def as_token(name: str) -> str:
    """A name without spaces, readable, and back again with `from_token`: `Ann Lee` → `Ann_Lee`."""
    plain = " ".join(unicodedata.normalize("NFC", name).split()) or "anonymous"
    return "".join("_" if c == " " else c if c.isalnum() or c in "-." else _escaped(c) for c in plain)


def _escaped(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode(errors="replace"))


def from_token(token: str) -> str:
    return unquote(token.replace("_", " "))


def checksum(text: str) -> str:
    """Four hex digits over the line up to its check."""
    return hashlib.sha256(text.encode()).hexdigest()[:4]


def _line(fields: dict[str, str]) -> ScoreLine:
    problems: list[str] = []

    def read(name: str, convert: Callable[[str], Any], otherwise: Any) -> Any:
        if name not in fields:
            problems.append(f"{name} is missing")
            return otherwise
        try:
            return convert(fields[name])
        except ValueError:
            problems.append(f"{name} is {fields[name]!r}")
            return otherwise

    line = {
        "lab": read("lab", str, ""),
        "score": read("score", _score, 0),
        "p95_ms": read("p95_ms", lambda text: None if text == NOTHING else int(text), None),
        "ok_ratio": read("ok", float, 0.0),
        "verdict": read("verdict", _verdict, "INVALID"),
        "by": read("by", from_token, ""),
        "run": read("run", str, ""),
        "scale_ratio": read(SCALE, float, 1.0) if SCALE in fields else 1.0,
    }
    given = read("check", lambda text: text[:4].lower(), "")  # a chat may have put a full stop behind it
    text = "SCORE " + " ".join(f"{name}={fields[name]}" for name in (*FIELDS, SCALE) if name in fields)
    if not problems and given != checksum(text):
        problems.append(f"its check {given} does not match: something in the line was changed or mistyped")
    return ScoreLine(**line, problem="; ".join(problems))


def _score(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 100:
        raise ValueError(text)
    return value


def _verdict(text: str) -> str:
    if text not in ("VALID", "INVALID"):
        raise ValueError(text)
    return text
