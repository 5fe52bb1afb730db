"""What a run leaves in the outbox at its end."""

import json
from pathlib import Path

import pytest
from tests.driver.record_builder import build, deadline, starter

from labdriver import join, record
from labdriver.app import App
from labdriver.commands.run import keep
from labdriver.commands.submit import deliver, failure
from labdriver.console import Console
from labdriver.join import Membership
from labdriver.score import line
from labdriver.score.card import judge
from labdriver.settings import Settings


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(root=tmp_path, runtime_name="local", settings=Settings(ports={}))


def letters(app: App) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in (app.state / "outbox").glob("*.json")]


def test_run_without_a_session_leaves_nothing(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody has joined: not a word, not a file."""
    made = build(starter)
    deliver(app, made, judge(made), console=Console())
    assert letters(app) == []
    assert capsys.readouterr().out == ""


def test_run_waits_while_the_board_is_gone(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    """The run is not failed by it; the letter holds the score line as it is printed."""
    join.write(app.state, Membership("http://127.0.0.1:9", "A", "t" * 30, "Ann", 7, 3))
    made = build(starter)
    card = judge(made)
    deliver(app, made, card, console=Console())
    (kept,) = letters(app)
    assert (kept["line"], kept["session"], kept["lab"]) == (line.format(made.head, card), 7, made.head.lab)
    assert "labdriver submit" in capsys.readouterr().out


def test_broken_membership_does_not_fail_the_run(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    """The trouble is told in a line."""
    app.state.mkdir()
    (app.state / "join.json").write_text("{")
    made = build(starter)
    deliver(app, made, judge(made), console=Console())
    assert "was not sent" in capsys.readouterr().out


def test_failure_names_the_rule_that_took_most() -> None:
    """The same failure has the same words; a perfect run has none."""
    lost, won = judge(build(starter)), judge(build(deadline(0.5)))
    assert lost.deciding is not None
    assert failure(lost) == lost.deciding.id
    assert failure(won) == (won.deciding.id if won.deciding else "")


def test_pages_that_cannot_be_made_keep_the_record(
    app: App, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The charts' library was taken away: the run is kept, its score line follows, and the way out is told."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    made = build(starter)
    assert keep(app, made, judge(made), console=Console()) is None
    assert record.load(app.reports / made.head.lab / made.head.run).head == made.head
    assert "the package plotly is not installed; next: make quickstart" in capsys.readouterr().out
