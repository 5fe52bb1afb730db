"""What tests of several packages share: no deadlines, and a Postgres of our own, started when a test asks for it."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from labdriver.stack.local.postgres import Postgres, stand_in

READY_S = 60.0  # only a machine on which nothing works needs all of it


def pytest_configure() -> None:
    """No property has a deadline, for no test says how fast a machine is; its examples may share their fixtures."""
    forgiven = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
    settings.register_profile("kit", deadline=None, suppress_health_check=forgiven)
    settings.load_profile("kit")


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """Address of a Postgres that only these tests use; it ends with the session."""
    # Not below pytest's own folder: it is closed to the user that Postgres runs as, and its paths are long.
    folder = Path(tempfile.mkdtemp(prefix="bw-pg-")).resolve()
    postgres = Postgres(folder / "pg", ("-c", "fsync=off"))
    try:
        postgres.prepare()
        with subprocess.Popen(postgres.command(), cwd="/", stderr=subprocess.DEVNULL, **stand_in()) as process:
            try:
                _wait_for(postgres)
                yield postgres.url
            finally:
                process.terminate()
                process.wait(timeout=READY_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(postgres: Postgres) -> None:
    until_s = time.monotonic() + READY_S
    while not postgres.answers():
        assert time.monotonic() < until_s, f"Postgres did not answer within {READY_S:g} s"
        time.sleep(0.02)
