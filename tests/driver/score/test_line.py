"""The score line survives a chat, and a mistyped one is named."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.driver.record_builder import build
from tests.driver.strategies import deadline, starter

from labdriver.score import line
from labdriver.score.card import judge

RECORD = build(starter)
CARD = judge(RECORD)
LINE = line.format(RECORD.head, CARD)


def test_line_has_the_promised_shape() -> None:
    """One line, the fields in their order, a check of four hex digits."""
    assert re.fullmatch(
        r"SCORE lab=timeouts score=\d+ p95_ms=\d+ ok=0\.\d{3} verdict=VALID by=alice run=20261121T101502Z "
        r"check=[0-9a-f]{4}",
        LINE,
    )


@pytest.mark.parametrize(
    "chat", ["{}", "alice: > {}.", "**{}**", "look!\n  {}\nnice", "{}".replace(" ", "\u00a0"), "`{}` and {}"]
)
def test_line_is_found_in_a_chat(chat: str) -> None:
    """Quoted, in bold, in the middle of a message, broken over lines."""
    for text in (chat.format(LINE, LINE), chat.format(LINE, LINE).replace(" by=", "\nby=")):
        found = line.parse(text)
        assert found
        assert all((f.problem, f.by, f.score) == ("", "alice", CARD.score) for f in found)


@pytest.mark.parametrize(("old", "new"), [("score=", "score=1"), ("alice", "malice"), ("T101502Z", "T101503Z")])
def test_changed_line_is_named(old: str, new: str) -> None:
    """A digit more, another name, another run."""
    found = line.parse(LINE.replace(old, new, 1))
    assert len(found) == 1
    assert found[0].problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LINE.partition(" run=")[0], "run is missing"),
        (re.sub(r"score=\d+", "score=900", LINE), "score is '900'"),
        (LINE.replace("VALID", "GOOD"), "verdict is 'GOOD'"),
    ],
)
def test_broken_line_says_what_is_broken(text: str, problem: str) -> None:
    """What is missing or makes no sense is named."""
    assert problem in line.parse(text)[0].problem


def test_word_alone_is_no_line() -> None:
    """People write about scores."""
    assert line.parse("my SCORE is great, SCORE! by=SCORE") == []


def test_run_without_requests_has_a_line_too() -> None:
    """No figure is told as a dash and read back as None."""
    empty = build(deadline(0.5))
    card = judge(type(empty)(empty.head, (), (), ()))
    found = line.parse(line.format(empty.head, card))[0]
    assert (found.p95_ms, found.verdict, found.problem) == (None, "INVALID", "")


@given(st.text(min_size=1, max_size=60))
def test_any_name_is_one_token_and_comes_back(name: str) -> None:
    """Spaces, markup, emoji, control characters: one token, and back but for runs of space."""
    import unicodedata

    token = line.as_token(name)
    assert token == "".join(token.split())
    assert token
    expected = " ".join(unicodedata.normalize("NFC", name).split()).encode(errors="replace").decode()
    assert line.from_token(token) == (expected or "anonymous")
