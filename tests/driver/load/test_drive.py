"""The load for real: a child process against servers that behave badly. Every request must be accounted for."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from labdriver.errors import EnvironmentFault
from labdriver.lab import Scenario
from labdriver.load.drive import Job, LoadResult, Progress, drive
from labdriver.load.plan import plan
from labdriver.load.process import Child, launch
from labdriver.stack.local import identity

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}'
Behave = Callable[[socket.socket, bytes], None]


def driven(
    scenario: Scenario,
    url: str,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    deadline_s: float = 60,
    child: Child | None = None,
) -> LoadResult:
    """Drive at once, without calibrating."""
    worker = child or launch()
    worker.wait_ready(60)
    t0_s = time.monotonic() + 0.05 + scenario.warm_up_s
    job = Job(scenario, plan(scenario, seed=1), {"api": url}, t0_s)
    return drive(job, on_progress=on_progress, deadline_s=deadline_s, child=worker)


def outcomes(result: LoadResult) -> dict[tuple[str, int, str], int]:
    return dict(Counter((row.outcome, row.status, row.error) for row in result.rows))


def answers(data: bytes, *, then_close: bool = False) -> Behave:
    """A server that answers every request with `data`."""

    def behave(client: socket.socket, request: bytes) -> None:
        client.sendall(data)
        if then_close:
            client.shutdown(socket.SHUT_RDWR)

    return behave


def says_nothing(client: socket.socket, request: bytes) -> None:
    """Takes the request and never answers."""


def drips(client: socket.socket, request: bytes) -> None:
    """Starts an answer and never ends it."""
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    with contextlib.suppress(OSError):
        while True:
            client.sendall(b"x")
            time.sleep(0.02)


def floods(client: socket.socket, request: bytes) -> None:
    """An answer without end, as fast as it goes."""
    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with contextlib.suppress(OSError):
        while True:
            client.sendall(b"x" * 1_000_000)


def test_drive_good_server_every_request_is_ok(make_scenario: Any, serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in plan order with times that make sense; a proxy in the environment is none of our business."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    seen: list[Progress] = []
    heard: list[bytes] = []

    def behave(client: socket.socket, request: bytes) -> None:
        heard.append(request)
        client.sendall(OK)

    result = driven(make_scenario(duration_s=0.6, warm_up_s=0.1), serve(behave), on_progress=seen.append)
    assert (result.ended, result.notes, result.load_s) == ("complete", (), 0.6)
    assert [row.phase for row in result.rows] == [-1] * 5 + [0] * 30
    for row in result.rows:
        assert (row.outcome, row.status, row.body) == ("ok", 200, {"ok": True})
        assert row.sent_s is not None
        assert row.done_s is not None
        assert row.intended_s <= row.sent_s <= row.done_s <= result.end_s
    assert set(heard) == {heard[0]}
    assert heard[0].split(b"\r\n")[2:] == [b"User-Agent: Phone/1.0", b"Connection: keep-alive"]
    assert result.generator is not None
    assert result.generator.pacing == ("timerfd" if sys.platform == "linux" else "sleep")
    assert seen[-1].planned == 35
    assert seen[-1].sent >= seen[0].sent > 0


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        (answers(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"), ("failed", 503, "")),
        (answers(b"HTTP/1.1 302 There\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"), ("ok", 302, "")),
        (answers(OK, then_close=True), ("ok", 200, "")),
        (answers(OK[:-1], then_close=True), ("failed", 0, "reset")),
        (answers(b"\x16\x03\x01 no http here"), ("failed", 0, "protocol")),
        (says_nothing, ("hung", 0, "hung")),
        (drips, ("hung", 0, "hung")),
        (floods, ("failed", 0, "protocol")),
    ],
    ids=["status", "redirect", "closes", "cut", "garbage", "mute", "drip", "flood"],
)
def test_drive_accounts_for_what_a_server_does(
    make_scenario: Any, serve: Any, behave: Behave, expected: tuple[str, int, str]
) -> None:
    """Ten requests, ten rows of the expected outcome; the load ends by itself."""
    result = driven(make_scenario(settle_s=0.2 if expected[0] == "hung" else 30), serve(behave))
    assert outcomes(result) == {expected: 10}
    assert result.ended == "complete"


def test_drive_connection_reset_is_failed(make_scenario: Any, serve: Any, reset: Behave) -> None:
    """A hard reset has its own class."""
    assert outcomes(driven(make_scenario(), serve(reset))) == {("failed", 0, "reset"): 10}


def test_drive_connection_refused_is_failed(make_scenario: Any) -> None:
    """Nobody listens there."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        result = driven(make_scenario(), f"http://localhost:{bound.getsockname()[1]}")
    assert outcomes(result) == {("failed", 0, "connect"): 10}


def test_drive_server_that_never_accepts_leaves_all_hung(make_scenario: Any) -> None:
    """The system takes the connections, the server never looks at them."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        result = driven(make_scenario(settle_s=0.2), f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert outcomes(result) == {("hung", 0, "hung"): 10}


def test_drive_hung_requests_close_at_the_end_of_settling(make_scenario: Any, serve: Any) -> None:
    """The age of a hung request is what the record's end says: load and settling, 0.4 s."""
    result = driven(make_scenario(settle_s=0.2), serve(says_nothing))
    assert result.end_s >= 0.4
    assert all(row.done_s is None and row.sent_s is not None for row in result.rows)


def one_request_a_connection() -> Behave:
    """Answers the first request of a connection and drops the connection on the second, without a byte."""
    known: set[int] = set()

    def behave(client: socket.socket, request: bytes) -> None:
        if id(client) in known:
            client.shutdown(socket.SHUT_RDWR)
        else:
            known.add(id(client))
            client.sendall(OK)

    return behave


@pytest.mark.alone
def test_drive_stale_connection_is_retried_once_and_counted(make_scenario: Any, serve: Any) -> None:
    """A reused connection that ends at once had been given up: the request goes out again. At once: within 0.1 s."""
    result = driven(make_scenario(rate_rps=10, duration_s=0.5), serve(one_request_a_connection()))
    assert outcomes(result) == {("ok", 200, ""): 5}
    assert result.generator is not None
    assert result.generator.stale_retries >= 1


def test_drive_a_post_is_never_sent_twice(make_scenario: Any, serve: Any) -> None:
    """Ordering twice is worse than a failure that is told: the second one is dropped without a byte, and stays so."""
    heard: list[bytes] = []

    def behave(client: socket.socket, request: bytes) -> None:
        heard.append(request)
        if len(heard) == 1:
            client.sendall(OK)
        else:
            client.shutdown(socket.SHUT_RDWR)

    requests = [{"name": "order", "method": "POST", "path": "/orders"}]
    scenario = make_scenario(rate_rps=4, duration_s=0.5, requests=requests)
    result = driven(scenario, serve(behave))
    assert outcomes(result) == {("ok", 200, ""): 1, ("failed", 0, "reset"): 1}
    assert len(heard) == 2


def test_drive_server_closing_idle_connections_costs_nothing(make_scenario: Any, serve: Any) -> None:
    """A connection that was closed while idle is noticed before it is used: no retry, no failure, for a POST too."""

    def behave(client: socket.socket, request: bytes) -> None:
        client.sendall(OK)
        client.shutdown(socket.SHUT_WR)

    requests = [{"name": "order", "method": "POST", "path": "/orders"}]
    result = driven(make_scenario(rate_rps=2, duration_s=1.5, requests=requests), serve(behave))
    assert outcomes(result) == {("ok", 200, ""): 3}
    assert result.generator is not None
    assert result.generator.stale_retries == 0


def test_drive_child_killed_keeps_what_was_measured(make_scenario: Any, serve: Any) -> None:
    """The rows up to the kill are there, the rest is unsent, and a note says why."""
    child = launch()

    def kill(progress: Progress) -> None:
        with contextlib.suppress(ProcessLookupError):
            if progress.ok:
                os.kill(child.pid, signal.SIGKILL)

    result = driven(make_scenario(duration_s=30), serve(answers(OK)), on_progress=kill, child=child)
    found = outcomes(result)
    assert found[("ok", 200, "")] >= 1
    assert found[("unsent", 0, "unsent")] > 1000
    assert sum(found.values()) == 1500
    assert result.ended == "watchdog"
    assert "ended with -9" in result.notes[0]
    assert 0 < result.load_s < 20


def test_drive_stopped_child_is_killed_at_the_deadline(make_scenario: Any, serve: Any) -> None:
    """A child that does nothing any more cannot hold up the run."""
    child = launch()

    def stop(told: Progress) -> None:
        with contextlib.suppress(ProcessLookupError):
            if told.ok:
                os.kill(child.pid, signal.SIGSTOP)

    result = driven(
        make_scenario(duration_s=30),
        serve(answers(OK)),
        on_progress=stop,
        deadline_s=5,
        child=child,
    )
    assert result.ended == "watchdog"
    assert outcomes(result)[("ok", 200, "")] >= 1
    assert not psutil.pid_exists(child.pid)


def test_drive_stop_ends_soon_with_the_rest_unsent(make_scenario: Any, serve: Any) -> None:
    """No new arrivals after a stop, and nobody waits for the planned end."""
    child = launch()
    stopper = threading.Thread(target=child.stop)
    result = driven(
        make_scenario(duration_s=60, settle_s=30),
        serve(says_nothing),
        on_progress=lambda _: None if stopper.ident else stopper.start(),
        child=child,
    )
    stopper.join()
    assert (result.ended, result.notes) == ("interrupted", ())
    assert set(Counter(row.outcome for row in result.rows)) == {"hung", "unsent"}
    assert result.load_s < 20


def test_drive_ctrl_c_ends_cleanly(make_scenario: Any, serve: Any) -> None:
    """KeyboardInterrupt is the same as a stop."""

    def interrupt(progress: Progress) -> None:
        if progress.ok and not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt

    interrupted: list[bool] = []
    result = driven(make_scenario(duration_s=60), serve(answers(OK)), on_progress=interrupt)
    assert result.ended == "interrupted"
    assert {"ok", "unsent"} <= set(Counter(row.outcome for row in result.rows))


def test_drive_connections_are_reused_but_not_for_ever(make_scenario: Any, serve: Any) -> None:
    """150 requests one after the other: at least eight connections, fewer than requests however busy it is."""
    ports: set[int] = set()

    def behave(client: socket.socket, request: bytes) -> None:
        ports.add(client.getpeername()[1])
        client.sendall(OK)

    result = driven(make_scenario(rate_rps=100, duration_s=1.5), serve(behave))
    assert outcomes(result) == {("ok", 200, ""): 150}
    assert 8 <= len(ports) < 150


def test_drive_without_free_files_the_rest_is_unsent(make_scenario: Any, serve: Any, tmp_path: Path) -> None:
    """A process that may open 100 files and a server that never answers: nothing waits in secret, nothing is lost."""
    scenario = make_scenario(rate_rps=200, duration_s=0.5, settle_s=0.2)
    (tmp_path / "scenario.json").write_text(scenario.model_dump_json())
    program = (
        "import resource, sys; from collections import Counter; from pathlib import Path;"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100));"
        "from labdriver.lab import Scenario; from labdriver.load.drive import Job, drive;"
        "from labdriver.load.plan import plan;"
        "scenario = Scenario.model_validate_json(Path(sys.argv[1]).read_text());"
        "job = Job(scenario, plan(scenario, seed=1), {'api': sys.argv[2]});"
        "rows = drive(job, on_progress=lambda _: None).rows;"
        "print(sorted(Counter(row.outcome for row in rows).items()))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "scenario.json"), serve(says_nothing)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.stdout.strip() == "[('hung', 36), ('unsent', 64)]", done.stderr


def test_drive_late_start_sends_everything_at_once(make_scenario: Any, serve: Any) -> None:
    """When t0 has passed, nothing is skipped, and the lag says so."""
    scenario = make_scenario(rate_rps=400, duration_s=0.5)
    job = Job(scenario, plan(scenario, seed=1), {"api": serve(answers(OK))}, time.monotonic() - 1)
    result = drive(job, on_progress=lambda _: None, deadline_s=60)
    assert outcomes(result) == {("ok", 200, ""): 200}
    assert result.generator is not None
    assert result.generator.lag_p50_ms > 500


def test_drive_empty_plan_ends_with_no_data(make_scenario: Any, serve: Any) -> None:
    """A scenario without arrivals lasts as long as it says and has no generator figures."""
    result = driven(make_scenario(rate_rps=0, duration_s=0.3), serve(answers(OK)))
    assert (result.rows, result.generator, result.ended) == ((), None, "complete")
    assert result.end_s >= 0.3


def test_wait_ready_a_child_that_cannot_start_is_an_environment_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a working Locust: its last words and the next command are told."""
    (tmp_path / "locust.py").write_text("raise ImportError('no Locust here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    child = launch()
    with pytest.raises(
        EnvironmentFault, match=r"ended with 1: ImportError: no Locust here\n  next: .venv/bin/labdriver selftest"
    ):
        child.wait_ready(60)


def test_wait_ready_a_child_that_says_nothing_is_an_environment_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The wait has an end."""
    (tmp_path / "locust.py").write_text("import signal; signal.pause()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    child = launch()
    with pytest.raises(EnvironmentFault, match=r"was not ready within 0\.1 s"):
        child.wait_ready(0.1)


def test_child_ends_with_its_parent(wait_until: Callable[[Callable[[], bool]], None]) -> None:
    """A driver that is killed leaves no load behind."""
    program = (
        "import sys, time; from labdriver.load.process import launch; child = launch(); child.wait_ready(60);"
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        found = identity.of(pid)
        parent.kill()
    wait_until(lambda: identity.process(found) is None)


def test_driver_never_imports_locust_or_gevent() -> None:
    """They patch the whole process, so they live in the child alone."""
    program = "import sys, labdriver.load.drive; print(sorted({'locust', 'gevent'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=180)
    assert done.stdout.strip() == "[]"
