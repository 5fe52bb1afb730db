"""Sampling for real: own process, little servers, and what goes wrong with both."""

import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psutil
import pytest

from labdriver.probe import watch
from labdriver.probe.fetch import Fetcher, Unreachable
from labdriver.probe.sources import Rate, Replica, summed
from labdriver.probe.watch import Job, Target, Watch
from labdriver.record import Sample

METRICS = 'labsvc_requests_in_flight 3\nlabsvc_dependency_calls_in_flight{operation="pricing"} 2\n'
COUNTS = {"received": 9, "answered": 6, "abandoned": 1, "in_flight": 2, "injected": {"hang": 3}}
PAGES = {
    "/metrics": METRICS,
    "/admin/counts": json.dumps({"now_s": 1, "phase": "hanging", "operations": {"pricing": COUNTS, "tax": COUNTS}}),
}


class Pages(ThreadingHTTPServer):
    """Serves `PAGES` with keep-alive and counts its connections."""

    connections = 0
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def get_request(self) -> Any:
        self.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sampler that is killed leaves connections behind; that is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = PAGES.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[Pages]:
    with Pages() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def until(watching: Watch, holds: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until_s, f"not within 60 s; samples: {watching.samples}"
        time.sleep(0.01)


def job(*targets: Target, depsim_url: str | None = None) -> Job:
    return Job(targets, depsim_url, time.monotonic(), interval_s=0.25)


def test_watch_samples_sum_over_replicas(pages: Pages) -> None:
    """Two replicas add up; counts, phase and faults of the dependency stand beside them."""
    other = Pages()
    thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    expected = {
        "api.in_flight": 6.0,
        "api.calls_in_flight.pricing": 4.0,
        "api.replicas_up": 2.0,
        "api.unreachable": 0.0,
        "depsim.received.pricing": 9.0,
        "depsim.answered.tax": 6.0,
        "depsim.abandoned.pricing": 1.0,
        "depsim.in_flight.pricing": 2.0,
        "depsim.injected.hang": 6.0,
        "depsim.phase.hanging": 1.0,
    }
    targets = (Target("api", pages.url, os.getpid()), Target("api", other.url, None))
    told = {"api.cpu_ratio", "machine.cpu_ratio", *expected}

    def whole() -> list[Sample]:
        """Samples for which every source was back in time."""
        return [s for s in watching.samples[1:] if told <= s.values.keys() and expected.items() <= s.values.items()]

    with watch.start(job(*targets, depsim_url=pages.url)) as watching:
        until(watching, lambda: bool(whole()))
    other.shutdown()
    other.server_close()
    thread.join()
    assert "api.cpu_ratio" not in watching.samples[0].values
    assert all(s.values["api.cpu_ratio"] >= 0 for s in whole())
    assert all(0 <= s.values["machine.cpu_ratio"] <= 1 for s in whole())
    assert [s.t_s for s in watching.samples] == sorted(s.t_s for s in watching.samples)


def test_watch_keeps_its_connections(pages: Pages) -> None:
    """One connection a source, not one a sample; a reading that was late costs another."""
    with watch.start(job(Target("api", pages.url, None), depsim_url=pages.url)) as watching:
        until(
            watching,
            lambda: sum({"api.in_flight", "depsim.in_flight.tax"} <= s.values.keys() for s in watching.samples) >= 4,
        )
    assert pages.connections < 2 * len(watching.samples)


def test_watch_a_replica_that_does_not_answer_is_unreachable(pages: Pages, silent: str) -> None:
    """It gives no figures but holds up nobody: the others are sampled at their time."""
    targets = (
        Target("api", pages.url, None),
        Target("api", silent, None),
        Target("worker", "http://127.0.0.1:1", None),
    )
    with watch.start(job(*targets)) as watching:
        until(watching, lambda: any("api.in_flight" in sample.values for sample in watching.samples))
    for sample in watching.samples:
        assert (sample.values["worker.unreachable"], sample.values["worker.replicas_up"]) == (1, 0)
        if "api.in_flight" in sample.values:
            assert sample.values["api.in_flight"] == 3
            assert (sample.values["api.unreachable"], sample.values["api.replicas_up"]) == (1, 1)


def test_watch_replicas_that_share_an_address_are_read_once(pages: Pages) -> None:
    """Behind a shared address nobody can tell them apart, and counting one twice would be wrong."""
    with watch.start(job(Target("api", pages.url, None), Target("api", pages.url, None))) as watching:
        until(watching, lambda: any("api.in_flight" in sample.values for sample in watching.samples))
    assert {s.values["api.in_flight"] for s in watching.samples if "api.in_flight" in s.values} == {3}


def test_watch_survives_the_kill_of_its_sampler(pages: Pages) -> None:
    """What it told is kept, and another one goes on."""
    with watch.start(job(Target("api", pages.url, None))) as watching:
        until(watching, lambda: len(watching.samples) >= 1)
        killed = watching.pid
        told = watching.samples
        os.kill(killed, signal.SIGKILL)
        until(watching, lambda: watching.pid != killed)
        kept = watching.samples
        until(watching, lambda: len(watching.samples) >= len(kept) + 2)
    assert watching.samples[: len(told)] == told
    assert not psutil.pid_exists(watching.pid)


def test_watch_stop_twice_and_in_the_middle_of_a_reading(silent: str) -> None:
    """Stopping does not wait for a server that says nothing, and a second stop changes nothing."""
    watching = watch.start(job(Target("api", silent, None)))
    until(watching, lambda: len(watching.samples) >= 1)
    assert watching.stop() == watching.stop()
    assert not psutil.pid_exists(watching.pid)


def test_fetcher_slow_drip_ends_at_the_deadline() -> None:
    """A byte now and then is not an answer in time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = threading.Event()

        def drip() -> None:
            client, _ = listener.accept()
            with client:
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                with contextlib.suppress(OSError):  # the fetcher has hung up
                    while not gone.wait(0.02):
                        client.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        fetcher = Fetcher(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(Unreachable):
            fetcher.get("/metrics", within_s=0.2)
        gone.set()
        thread.join()


def test_fetcher_other_status_is_unreachable(pages: Pages) -> None:
    """A page that is not there is no page."""
    fetcher = Fetcher(pages.url)
    with pytest.raises(Unreachable, match="status 404"):
        fetcher.get("/nothing", within_s=60)
    fetcher.close()


def test_replica_of_a_dead_process_is_no_error() -> None:
    """Its pid is gone and its port too: unreachable, without processor time."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        replica = Replica("api", f"http://127.0.0.1:{bound.getsockname()[1]}", 2**22 + 1)
        assert replica.read(1.0) == {"api.unreachable": 1.0, "api.replicas_up": 0.0}


def test_rate_starts_anew_after_a_restart() -> None:
    """A counter that fell, or that comes from another place, gives no rate once."""
    rate = Rate()
    assert rate.per_s("own", 1.0) is None
    assert rate.per_s("own", 1.0) == 0
    assert rate.per_s("own", 0.5) is None
    assert rate.per_s("told", 9.0) is None
    assert rate.per_s("told", None) is None
    assert rate.per_s("told", 9.0) is None


def test_summed_adds_what_has_the_same_name() -> None:
    """Names that only one part has are kept."""
    assert summed([{"a": 1, "b": 2}, {"a": 3}]) == {"a": 4, "b": 2}
