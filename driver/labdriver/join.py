"""The session that this checkout has joined: where its board is, who we are there, and how to talk to it.

    .lab/join.json (mode 0600) ── url, code, token, name ──▶ outbox.py, commands

The token is ours, made before we ask: a join whose answer got lost is simply asked again. Knows no runs.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from labdriver import whole_file
from labdriver.errors import EnvironmentFault, Misuse
from labdriver.verbs import to_type

FILE = "join.json"
PENDING = "join.pending.json"  # the token of a join that has not been answered
TIMEOUT_S = 5.0
EXAMPLE = "http://10.0.0.5:8082"

_ADDRESS = re.compile(r"https?://[^/?#@\s]+(:\d{1,5})?(/[^?#\s]*)?")


class Unreachable(EnvironmentFault):
    """The board did not answer, or not now: the same question may be asked again later."""


class Rejected(Misuse):
    """The board said no, and will say so again."""


@dataclass(frozen=True)
class Membership:
    """Who we are in a session."""

    url: str
    code: str
    token: str
    name: str
    session: int
    participant: int


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


def address(text: str) -> str:
    """A board's address as it was typed or copied: without a scheme, or with the path of one of its pages.

    Raises Misuse.
    """
    url = text.strip()
    if "://" not in url:
        url = f"http://{url}"
    parts = urlsplit(url)
    if not _ADDRESS.fullmatch(url) or not parts.hostname:
        raise Misuse(
            f"{text!r} is not an address, expected one like {EXAMPLE}", next_step=f"AT={EXAMPLE}, as the board shows it"
        )
    return f"{parts.scheme}://{parts.netloc}"


def read(state: Path) -> Membership | None:
    """What was joined; None when nothing was. Raises Misuse when the file is broken."""
    path = state / FILE
    try:
        return Membership(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise Misuse(
            f"{path} cannot be read ({error})", next_step=f"rm {path}, then {to_type('join')} again"
        ) from error


def write(state: Path, membership: Membership) -> None:
    """Keep it, readable by its owner only."""
    whole_file.write(state / FILE, json.dumps(asdict(membership), indent=1).encode(), mode=0o600)


def join(state: Path, *, url: str, code: str, name: str, technology: str, ready_code: str) -> Membership:
    """Join a session and keep the membership. Joining the same one again keeps the participant.

    Raises Rejected for a wrong code or an ended session, Unreachable when the board does not answer.
    """
    code = code.upper()
    token = _token_for(state, url=url, code=code)
    body = {"code": code, "name": name, "token": token, "technology": technology, "ready_code": ready_code}
    try:
        told = ask(url, "POST", "/workshop/join", body=body)
    except Rejected:
        (state / PENDING).unlink(missing_ok=True)
        raise
    joined = Membership(url, code, told["token"], told["name"], told["session"]["id"], told["participant_id"])
    write(state, joined)
    (state / PENDING).unlink(missing_ok=True)
    return joined


def leave(state: Path) -> bool:
    """Forget the session; whether there was one."""
    path = state / FILE
    was = path.exists()
    path.unlink(missing_ok=True)
    return was


def ask(
    url: str,
    method: str,
    path: str,
    *,
    token: str = "",
    body: Mapping[str, Any] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> dict[str, Any]:
    """One question to a board; its JSON answer. Raises Rejected (4xx) or Unreachable (no answer, 429, 5xx)."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.request(
            method,
            url + path,
            json=body,
            headers=headers,
            timeout=timeout_s,
            trust_env=False,
            verify=url.startswith("https:"),  # reading the list of authorities takes longer than the question
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(
            f"the board at {url} does not answer ({type(error).__name__})",
            next_step=f"open {url}/board in a browser; where that board's stack runs: make up",
        ) from error
    return told(answer, url)


def told(answer: httpx.Response, url: str) -> dict[str, Any]:
    """What an answer says. Raises like `ask`."""
    try:
        value = answer.json()
    except ValueError:
        value = None
    if answer.status_code == 200 and isinstance(value, dict):
        return value
    reason = str(value.get("error", "")) if isinstance(value, dict) else ""
    reason = reason or f"status {answer.status_code}, expected a board of the kit"
    if answer.status_code == 429 or answer.status_code >= 500:
        raise Unreachable(
            f"the board at {url} cannot answer now: {reason}", next_step="the same command, a little later"
        )
    raise Rejected(f"the board at {url} refused: {reason}")


def _token_for(state: Path, *, url: str, code: str) -> str:
    """The token of this session: the one in force, one whose answer got lost, else a new one, kept before asking."""
    try:
        known: tuple[Path, ...] = (state / FILE, state / PENDING)
        for path in known:
            if path.exists():
                kept = json.loads(path.read_text(encoding="utf-8"))
                if (kept["url"], kept["code"]) == (url, code):
                    return str(kept["token"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # a broken file holds no token
    token = new_token()
    pending = {"url": url, "code": code, "token": token}
    whole_file.write(state / PENDING, json.dumps(pending, indent=1).encode(), mode=0o600)
    return token
