"""Joining and the outbox: kept on disk, sent when there is somebody to send to, never lost, aside when refused."""

import json
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from labdriver import join, outbox
from labdriver.app import App
from labdriver.commands import join as command
from labdriver.errors import Misuse
from labdriver.join import Membership, Rejected, Unreachable
from labdriver.outbox import Letter
from labdriver.preflight import Report, readiness
from labdriver.preflight.found import Found
from labdriver.settings import Settings


@dataclass
class Board:
    """A board that answers as it is told: status and body for each path, and what it was asked."""

    url: str = ""
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)

    def runs(self) -> list[str]:
        return [body["line"] for path, body, _ in self.asked if path == "/workshop/runs"]


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board()
    session = {"id": 7}
    made.answers["/workshop/join"] = (200, {"participant_id": 3, "name": "Ann 2", "session": session})
    made.answers["/workshop/runs"] = (200, {"is_new": True, "rank": 1})

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            made.asked.append((self.path, body, self.headers.get("authorization", "")))
            status, answer = made.answers[self.path]
            if status == 0:
                self.close_connection = True
                return
            if self.path == "/workshop/join" and status == 200:
                answer = {**answer, "token": body["token"]}
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    server.server_close()
    thread.join(5)


def joined(state: Path, board: Board, *, code: str = "abc234", name: str = "Ann") -> Membership:
    return join.join(state, url=board.url, code=code, name=name, technology="local", ready_code="")


def letter(run: str, *, session: int = 7) -> Letter:
    return Letter(session=session, lab="tx", run=run, line=f"SCORE run={run}", failure="hung")


def test_join_keeps_what_the_board_said(tmp_path: Path, board: Board) -> None:
    """The name may get a number; the file is for its owner's eyes."""
    made = joined(tmp_path, board)
    assert (made.code, made.name, made.session, made.participant) == ("ABC234", "Ann 2", 7, 3)
    assert join.read(tmp_path) == made
    assert stat.S_IMODE((tmp_path / "join.json").stat().st_mode) == 0o600
    assert not (tmp_path / "join.pending.json").exists()


def test_lost_answer_is_asked_again_with_the_same_token(tmp_path: Path, board: Board) -> None:
    """The board has seen the first try; the second must be the same participant."""
    good = board.answers["/workshop/join"]
    board.answers["/workshop/join"] = (0, None)
    with pytest.raises(Unreachable, match="next: open http"):
        joined(tmp_path, board)
    assert join.read(tmp_path) is None
    board.answers["/workshop/join"] = good
    made = joined(tmp_path, board)
    assert {body["token"] for _, body, _ in board.asked} == {made.token}
    assert joined(tmp_path, board, name="Ann Lee").token == made.token


def test_other_session_gets_another_token(tmp_path: Path, board: Board) -> None:
    """A token belongs to one session."""
    assert joined(tmp_path, board).token != joined(tmp_path, board, code="XYZ999").token


def test_wrong_code_leaves_the_joined_session_alone(tmp_path: Path, board: Board) -> None:
    """A refusal is told with the board's own words, and changes nothing."""
    before = joined(tmp_path, board)
    board.answers["/workshop/join"] = (404, {"error": "no session has the code 'NOPE22'"})
    with pytest.raises(Rejected, match="no session has the code"):
        joined(tmp_path, board, code="NOPE22")
    assert join.read(tmp_path) == before


@pytest.mark.parametrize(
    "typed", ["10.0.0.5:8082", "http://10.0.0.5:8082/", " http://10.0.0.5:8082 ", "10.0.0.5:8082/board"]
)
def test_address_as_it_is_typed(typed: str) -> None:
    """The scheme may be left out, the path of a page may stand at the end."""
    assert join.address(typed) == "http://10.0.0.5:8082"


@pytest.mark.parametrize("typed", ["", "ftp://x", "http://", "http://x/?a=1"])
def test_wrong_address_is_named(typed: str) -> None:
    """What is no address says what one looks like."""
    with pytest.raises(Misuse, match=r"expected one like http.*\n  next: AT="):
        join.address(typed)


def test_outbox_is_sent_oldest_first_and_emptied(tmp_path: Path, board: Board) -> None:
    """What the board has taken is gone from the disk."""
    membership = joined(tmp_path, board)
    runs = [f"20260101T10150{n}Z" for n in (3, 1, 2)]
    for run in runs:
        outbox.put(tmp_path, letter(run))
    sent = outbox.send(tmp_path, membership)
    assert board.runs() == [f"SCORE run={run}" for run in sorted(runs)]
    assert (len(sent.taken), sent.waiting, sent.rank) == (3, 0, 1)
    assert {auth for _, _, auth in board.asked[1:]} == {f"Bearer {membership.token}"}
    assert outbox.send(tmp_path, membership) == outbox.Sent()


@pytest.mark.parametrize("trouble", [(0, None), (503, {"error": "the database is away"}), (429, {"error": "wait"})])
def test_outbox_keeps_what_could_not_be_sent(tmp_path: Path, board: Board, trouble: tuple[int, Any]) -> None:
    """No answer, or not now: everything stays, the first failure ends the round, the next round sends all."""
    membership = joined(tmp_path, board)
    good, board.answers["/workshop/runs"] = board.answers["/workshop/runs"], trouble
    for run in ("20260101T101501Z", "20260101T101502Z"):
        outbox.put(tmp_path, letter(run))
    sent = outbox.send(tmp_path, membership)
    assert (sent.taken, sent.waiting, len(board.runs())) == ((), 2, 1)
    assert sent.why
    board.answers["/workshop/runs"] = good
    assert len(outbox.send(tmp_path, membership).taken) == 2


def test_outbox_survives_a_board_that_is_gone(tmp_path: Path) -> None:
    """Nobody listens: kept, and said."""
    outbox.put(tmp_path, letter("r1"))
    sent = outbox.send(tmp_path, Membership("http://127.0.0.1:9", "A", "t", "Ann", 7, 3))
    assert (sent.waiting, "does not answer" in sent.why) == (1, True)


def test_refused_run_is_put_aside(tmp_path: Path, board: Board) -> None:
    """A run that the board will never take does not block the others."""
    membership = joined(tmp_path, board)
    board.answers["/workshop/runs"] = (422, {"error": "line: its check does not match"})
    outbox.put(tmp_path, letter("r1"))
    sent = outbox.send(tmp_path, membership)
    assert "its check does not match" in sent.refused[0]
    assert [path.name for path in (tmp_path / "outbox" / "refused").iterdir()] == ["tx-r1.json"]
    assert outbox.send(tmp_path, membership) == outbox.Sent()


def test_runs_of_another_session_stay(tmp_path: Path, board: Board) -> None:
    """A run belongs to the session that was joined when it ended."""
    membership = joined(tmp_path, board)
    outbox.put(tmp_path, letter("r1", session=6))
    sent = outbox.send(tmp_path, membership)
    assert (sent.other, board.runs()) == (1, [])


def test_broken_letter_is_named_and_left(tmp_path: Path, board: Board) -> None:
    """A file that cannot be read does not stop the others."""
    membership = joined(tmp_path, board)
    outbox.put(tmp_path, letter("r2"))
    (tmp_path / "outbox" / "tx-r1.json").write_text("{")
    sent = outbox.send(tmp_path, membership)
    assert (len(sent.taken), len(sent.problems)) == (1, 1)


# ---------------------------------------------------------------------- the command

BROKEN = Found("Postgres", "does not start", ok=False)


def app(root: Path, **settings: Any) -> App:
    return App(root=root, runtime_name="local", settings=Settings(ports={}, **settings))


def typed(made: App, monkeypatch: pytest.MonkeyPatch, *args: str, found: tuple[Found, ...] = ()) -> Any:
    """What `labdriver join ARGS --json` answers on a machine where the preflight finds this."""
    monkeypatch.setattr(command, "inspect", lambda *_, **__: Report(found, 0.1))
    monkeypatch.setattr(command, "held_ports", lambda *_: frozenset())
    ran = CliRunner().invoke(command.COMMAND, [*args, "--json"], obj=made, standalone_mode=False)
    if ran.exception:
        raise ran.exception
    return json.loads(ran.stdout)


def test_command_sends_the_readiness_code(tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to copy it: the preflight runs, and the board gets what it would print."""
    told = typed(app(tmp_path), monkeypatch, "abc234", "--at", board.url)
    sent = board.asked[0][1]["ready_code"]
    assert sent.startswith("k3d+local/")
    assert readiness.intact(sent)
    assert told["readiness"] == sent


def test_command_is_not_ready_where_nothing_works(
    tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot run the labs may join, and does not count as ready."""
    told = typed(app(tmp_path), monkeypatch, "abc234", "--at", board.url, found=(BROKEN,))
    assert (board.asked[0][1]["ready_code"], told["joined"]) == ("", True)


def test_command_takes_a_code_and_finds_its_typing_error(
    tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A given code is sent as it is; one that was mistyped is refused before the board is asked."""
    code = readiness.code(Report((), 0.1), system="linux", arch="x86_64")
    typed(app(tmp_path), monkeypatch, "abc234", "--at", board.url, "--ready", code, found=(BROKEN,))
    assert board.asked[0][1]["ready_code"] == code
    with pytest.raises(Misuse, match="typing error"):
        typed(app(tmp_path), monkeypatch, "abc234", "--at", board.url, "--ready", code[:-1])
    assert len(board.asked) == 1


def test_runs_carry_the_joined_name(tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--by`, then LAB_BY, then the name that the board has given, then the login name; a broken file is no name."""
    assert app(tmp_path).by(None) not in ("", "Ann 2")
    typed(app(tmp_path), monkeypatch, "abc234", "--at", board.url, "--by", "Ann")
    assert app(tmp_path).by(None) == "Ann 2"
    assert app(tmp_path, by="Env").by(None) == "Env"
    assert app(tmp_path, by="Env").by("Typed") == "Typed"
    (app(tmp_path).state / "join.json").write_text("{")
    assert app(tmp_path).by(None) not in ("", "Ann 2")


def test_other_name_in_the_same_session_is_refused(
    tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The board knows a participant by its first name: `--leave` comes first. The same name again is welcome."""
    for by in ("Ann", "ann", "Ann 2"):
        typed(app(tmp_path), monkeypatch, "abc234", "--at", board.url, "--by", by)
    with pytest.raises(Misuse, match="joined ABC234 as Ann 2, expected that name and not 'Bob'") as caught:
        typed(app(tmp_path), monkeypatch, "abc234", "--at", board.url, "--by", "Bob")
    assert caught.value.next_step.startswith(".venv/bin/labdriver join --leave, then make join CODE=abc234")
    typed(app(tmp_path), monkeypatch, "--leave")
    assert typed(app(tmp_path), monkeypatch, "abc234", "--at", board.url, "--by", "Bob")["joined"]
