"""What tests of several packages share: no deadlines, and a Postgres of our own, started when a test asks for it."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from labdriver.stack.local.postgres import Postgres, stand_in

READY_S = 60.0  # only a machine on which nothing works needs all of it


def pytest_configure() -> None:
    """No property has a deadline, for no test says how fast a machine is, nor is it judged how examples are made.

    Examples are the same ones in every run: what is wrong is found by who changes something, not by whoever comes next.
    Who looks for new ones: `pytest --hypothesis-profile search`.
    """
    forgiven = list(HealthCheck)
    settings.register_profile("kit", deadline=None, derandomize=True, database=None, suppress_health_check=forgiven)
    settings.register_profile("search", settings.get_profile("kit"), derandomize=False, max_examples=5000)
    settings.load_profile("kit")


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """Address of a Postgres that only these tests use; it ends with the session."""
    # Not below pytest's own folder: it is closed to the user that Postgres runs as, and its paths are long.
    folder = Path(tempfile.mkdtemp(prefix="bw-pg-")).resolve()
    postgres = Postgres(folder / "pg", ("-c", "fsync=off", "-c", "autovacuum=off"))
    try:
        postgres.prepare()
        with subprocess.Popen(postgres.command(), cwd="/", stderr=subprocess.DEVNULL, **stand_in()) as process:
            try:
                _wait_for(postgres)
                yield postgres.url
            finally:
                process.send_signal(signal.SIGINT)  # SIGTERM would wait for whoever is still connected
                process.wait(timeout=READY_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(postgres: Postgres) -> None:
    """Until it lets somebody in: it takes connections before that, and sends them away again."""
    until_s = time.monotonic() + READY_S
    while not lets_in(postgres):
        assert time.monotonic() < until_s, f"Postgres did not answer within {READY_S:g} s"
        time.sleep(0.02)


def lets_in(postgres: Postgres) -> bool:
    """True when somebody can ask it something."""
    try:
        psycopg.connect(postgres.url, connect_timeout=30).close()
        return True
    except psycopg.OperationalError:
        return False
