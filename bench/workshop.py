"""Times the workshop: the hour with 80 and with 300 bots against a real generator and a real Postgres, time-scaled.

Bots, generator and Postgres share the machine; the times are the bots', so waiting for the processor is in them.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.kit import Bench, Result, Say
from labdriver import join
from labdriver.rehearse.stage import Wish, rehearse
from labdriver.stack.local.postgres import Postgres, stand_in

BOTS = (80, 300)
SPEED = 30
MINUTES = 60.0
START_LIMIT_S = 30.0
SETTINGS = ("-c", "max_connections=60", "-c", "shared_buffers=32MB", "-c", "fsync=off")
SERVICES = Path(__file__).resolve().parents[1] / "services"


def run(say: Say) -> Iterator[Result]:
    """All figures of the workshop."""
    with _generator() as url:
        token = join.new_token()
        join.ask(url, "PUT", "/workshop/facilitator", body={"token": token}, timeout_s=START_LIMIT_S)
        for bots in BOTS:
            say(f"{bots} bots, {MINUTES / SPEED:g} minutes")
            wish = Wish(bots=bots, minutes=MINUTES, speed=SPEED)
            outcome = asyncio.run(rehearse(url, token, wish, say=lambda text: None))
            meter = outcome.meter
            how = f"{meter.count} answers in {outcome.took_s:.0f} s, the hour at {SPEED}x"
            yield Result(f"API p50, {bots} bots", meter.p_ms(0.5), "ms", how)
            yield Result(f"API p95, {bots} bots", meter.p_ms(0.95), "ms", how, at_most=100)
            wrong = sum(vars(outcome.balance).values()) + len(outcome.failed_bots)
            tickets = outcome.tickets["resolved"] + outcome.tickets["escalated"]
            told = f"bots' books against the board's: {meter.count} answers, {tickets} tickets handled"
            yield Result(f"lost or doubled, {bots} bots", wrong, "", told, at_most=0)
            yield Result(f"generator's processor, {bots} bots", outcome.server_cores, "cores", "from its /metrics")


@contextmanager
def _generator() -> Iterator[str]:
    """The address of a generator on a Postgres of its own; both are ended afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="bw-bench-"))
    postgres = Postgres(folder / "pg", SETTINGS)
    postgres.prepare()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(postgres.command(), cwd="/", **quiet, **stand_in())  # type: ignore[call-overload]
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SERVICES), "LAB_DATABASE_URL": postgres.url}
    env["LAB_LISTEN_FDS"] = str(listener.fileno())
    command = [sys.executable, "-P", "-m", "labsvc.cli", "generator"]
    try:
        _until_answers(postgres.url)
        generator = subprocess.Popen(command, env=env, pass_fds=(listener.fileno(),), stdout=subprocess.DEVNULL)
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            _until_ready(url)
            yield url
        finally:
            generator.terminate()
            generator.wait(10)
    finally:
        listener.close()
        server.send_signal(signal.SIGINT)
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _until_answers(database_url: str) -> None:
    until_s = time.monotonic() + START_LIMIT_S
    while True:
        try:
            psycopg.connect(database_url, connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.1)


def _until_ready(url: str) -> None:
    until_s = time.monotonic() + START_LIMIT_S
    while True:
        try:
            join.ask(url, "GET", "/workshop/status")
            return
        except join.Unreachable:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.1)


BENCH = Bench("the workshop with bots", run)
