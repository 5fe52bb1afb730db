"""A run waits for the end of maintenance, says so, and gives up in time."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from labdriver import maintenance
from labdriver.errors import EnvironmentFault

ON = {"maintenance": {"until_s": 2_000_000_000.0, "left_s": 41.2, "why": "new roof"}}


@contextmanager
def readiness(*told: Any) -> Iterator[str]:
    """An api whose `/readyz` tells one after the other; the last one stays."""
    left = list(told)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(left.pop(0) if len(left) > 1 else left[0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "POLL_S", 0.005)


def test_its_end_is_waited_for_and_told_once() -> None:
    """Why and how long, in one line; it has ended when several looks in a row find none."""
    said: list[str] = []
    none = {"maintenance": None}
    with readiness(ON, ON, none, ON, none) as url:
        maintenance.wait(url, within_s=20, say=said.append)
        assert maintenance.lasting(url) is None
    assert said == ["the api is in maintenance (new roof): waiting for its end in 41 s"]


@pytest.mark.parametrize("told", [{"maintenance": None}, {}, [], {"maintenance": {"left_s": "x", "why": ""}}])
def test_an_api_that_tells_of_none_is_not_waited_for(told: Any) -> None:
    """Nor one of an earlier kit, nor one that tells nonsense."""
    said: list[str] = []
    with readiness(told) as url:
        maintenance.wait(url, within_s=20, say=said.append)
    assert said == []


def test_what_outlasts_the_limit_ends_the_run() -> None:
    """With the seconds left, the reason, the variable, and what to do."""
    with readiness(ON) as url, pytest.raises(EnvironmentFault, match=r"another 41 s \(new roof\).*_S=0.01") as caught:
        maintenance.wait(url, within_s=0.01, say=lambda _: None)
    assert "facilitator" in caught.value.next_step


def test_nobody_there_is_no_maintenance() -> None:
    """Who is not there is somebody else's to tell."""
    with readiness({}) as url:
        pass
    assert maintenance.lasting(url) is None
