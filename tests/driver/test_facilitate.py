"""The facilitator's token: claimed, kept for its owner's eyes, told when another one is in force."""

import stat
from pathlib import Path
from typing import Any

import pytest

from labdriver import join
from labdriver.commands import facilitate
from labdriver.errors import Misuse


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A generator that lets the first token in."""
    claims: list[dict[str, Any]] = []

    def ask(url: str, method: str, path: str, *, body: dict[str, Any], **more: Any) -> dict[str, Any]:
        claims.append({"method": method, "path": path, **body})
        if body["token"] != claims[0]["token"]:
            raise join.Rejected("another facilitator's token is in force")
        return {"is_facilitator": True}

    monkeypatch.setattr(join, "ask", ask)
    return claims


def test_token_is_made_once_and_kept(tmp_path: Path, asked: list[dict[str, Any]]) -> None:
    """The second call claims the same token; the file is readable by its owner only."""
    first = facilitate.claim(tmp_path, "http://board")
    assert facilitate.claim(tmp_path, "http://board") == first
    assert stat.S_IMODE((tmp_path / "facilitator.token").stat().st_mode) == 0o600
    assert asked[0] == {"method": "PUT", "path": "/workshop/facilitator", "token": first}


def test_token_whose_claim_got_no_answer_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be in force there: the next call claims the same one."""

    def silent(*_: Any, **__: Any) -> Any:
        raise join.Unreachable("no answer")

    monkeypatch.setattr(join, "ask", silent)
    with pytest.raises(join.Unreachable):
        facilitate.claim(tmp_path, "http://board")
    claims: list[str] = []
    monkeypatch.setattr(join, "ask", lambda *_, body: claims.append(body["token"]))
    assert (tmp_path / "facilitator.token").read_text() == facilitate.claim(tmp_path, "http://board") == claims[0]


def test_given_token_replaces_the_kept_one(tmp_path: Path, asked: list[dict[str, Any]]) -> None:
    """A token from another machine is kept from then on."""
    given = "g" * 30
    assert facilitate.claim(tmp_path, "http://board", token=given) == given
    assert facilitate.claim(tmp_path, "http://board") == given


def test_other_token_in_force_is_told(tmp_path: Path, asked: list[dict[str, Any]]) -> None:
    """The error names what to type; nothing is kept."""
    asked.append({"token": "of somebody else"})
    with pytest.raises(Misuse, match="another facilitator") as told:
        facilitate.claim(tmp_path, "http://board")
    assert "--token" in told.value.next_step
    assert not (tmp_path / "facilitator.token").exists()
