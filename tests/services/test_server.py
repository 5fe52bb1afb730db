"""Every mode starts, says how it is, and ends in bounded time whatever hangs."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.services.conftest import SERVICES, Start

END_S = 60.0  # the limit is 2.8 s; the rest is for a busy machine
LAB = """
import asyncio
from labsvc.deps import Reply, Route
ROLE = "api"
def routes(deps, edit):
    async def hang(request):
        await asyncio.Event().wait()
    async def block(request):
        while True:
            pass
    return [Route("GET", "/stuck/hang", hang), Route("GET", "/stuck/block", block)]
"""


@pytest.fixture
def labs(tmp_path: Path) -> Path:
    folder = tmp_path / "labs" / "stuck"
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text("roles: [api]\nedit: edit.py\n")
    (folder / "service.py").write_text(LAB)
    (folder / "edit.py").write_text("")
    return folder.parent


@pytest.mark.parametrize("mode", ["api", "depsim", "estimator", "generator", "worker"])
def test_each_mode_says_who_it_is(start: Start, mode: str, tmp_path: Path) -> None:
    """Role and replica in `/readyz`; an inherited socket; unknown paths are 404."""
    service = start(mode, LAB_REPLICA=f"{mode}-7", LAB_LABS_DIR=str(tmp_path))
    with service.http() as http:
        told = http.get("/readyz").json()
        assert http.get("/nothing/here").status_code == 404
    assert (told["ready"], told["role"], told["replica"]) == (True, mode, f"{mode}-7")
    assert told["pid"] == service.process.pid


def test_readiness_says_that_postgres_is_missing(start: Start, tmp_path: Path) -> None:
    """The process lives without its database, and says what it misses."""
    url = f"postgresql://postgres@/postgres?host={tmp_path}&connect_timeout=1"
    service = start("api", LAB_LABS_DIR=str(tmp_path), LAB_DATABASE_URL=url, LAB_LOG_LEVEL="error")
    with service.http() as http:
        answer = http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["missing"][0].startswith("postgres: ")


@pytest.mark.parametrize("path", ["/stuck/hang", "/stuck/block"])
def test_a_stuck_request_does_not_keep_the_process(start: Start, labs: Path, path: str) -> None:
    """SIGTERM ends it with exit code 0, with a request that hangs and with one that blocks the event loop."""
    service = start("api", LAB_LABS_DIR=str(labs))
    with socket.create_connection(("127.0.0.1", int(service.url.rsplit(":", 1)[1]))) as caller:
        caller.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(END_S) == 0


def test_a_hanging_caller_gets_an_honest_answer_at_the_end(start: Start, labs: Path) -> None:
    """503 rather than a cut connection."""
    service = start("api", LAB_LABS_DIR=str(labs))
    statuses: list[int] = []

    def ask() -> None:
        with service.http(timeout_s=END_S) as http:
            statuses.append(http.get("/stuck/hang").status_code)

    caller = threading.Thread(target=ask)
    caller.start()
    with service.http() as http:
        while "labsvc_requests_in_flight 1.0" not in http.get("/metrics").text:
            assert caller.is_alive()
    service.process.send_signal(signal.SIGTERM)
    caller.join(END_S)
    assert statuses == [503]


def test_the_end_of_the_supervisor_ends_the_process(start: Start) -> None:
    """The pipe's other end is gone: nobody would ever stop it otherwise."""
    service = start("depsim")
    service.lifeline.close()
    assert service.process.wait(END_S) == 0


def run(*args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SERVICES), **settings}
    command = [sys.executable, "-m", "labsvc.cli", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=2 * END_S, check=False)


def test_an_unknown_setting_ends_with_2_and_the_known_ones() -> None:
    """One line, no traceback."""
    done = run("depsim", LAB_PROT="1")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "unknown variable LAB_PROT, expected one of: LAB_API_URL, LAB_DATABASE_URL" in done.stderr


def test_an_unknown_mode_ends_with_2_and_the_known_ones() -> None:
    """Modes are found by their files."""
    done = run("apiserver")
    assert done.returncode == 2
    assert "expected one of: api, depsim, estimator, generator, worker" in done.stderr


def test_a_taken_port_ends_with_3_and_its_number() -> None:
    """And says how to take another one."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("depsim", LAB_PORT=str(port))
    assert (done.returncode, len(done.stderr.splitlines())) == (3, 1)
    assert f"127.0.0.1:{port}" in done.stderr
    assert "LAB_PORT" in done.stderr


def test_help_has_an_example() -> None:
    """Every mode is listed with what it does."""
    done = run("--help")
    assert done.returncode == 0
    assert all(mode in done.stdout for mode in ("api", "worker", "depsim", "generator", "Example:"))
