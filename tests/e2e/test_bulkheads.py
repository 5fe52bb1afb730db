"""The bulkheads lab on the real stack: a worker that is killed with jobs in hand loses none of them."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from labdriver import record
from labdriver.score.jobs import id_of
from tests.e2e.conftest import Kit

pytestmark = pytest.mark.stack

SETTLED_S = 120.0  # a lease of three seconds, and then at most twelve reports of two seconds on four slots


@pytest.fixture
def solved(kit: Kit) -> Iterator[Kit]:
    """A kit with the solution in place; its starter is back afterwards."""
    edit = kit.root / "labs" / "bulkheads" / "edit.py"
    shutil.copyfile(kit.root / "solutions" / "bulkheads" / "edit.py", edit)
    yield kit
    shutil.copyfile(kit.root / "solutions" / "bulkheads" / "starter.py", edit)


def books(kit: Kit) -> list[dict[str, Any]]:
    """What the worker's database has; nothing while the worker is starting or gets another edit."""
    url = f"http://127.0.0.1:{kit.env['LAB_WORKER_PORT']}/jobs/books"
    try:
        jobs: list[dict[str, Any]] = httpx.get(url, timeout=30, trust_env=False).json()["jobs"]
    except (httpx.HTTPError, ValueError, KeyError):
        return []
    return jobs


def wait_for(kit: Kit, *, running: int) -> None:
    """Wait until so many slow jobs are in hand."""
    until_s = time.monotonic() + 120
    while time.monotonic() < until_s:
        in_hand = [job for job in books(kit) if job["started_s"] and not job["finished_s"]]
        if sum(job["kind"] == "slow" for job in in_hand) >= running:
            return
        time.sleep(0.05)
    raise AssertionError(f"never were {running} slow jobs in hand")


def test_a_worker_killed_in_mid_run_loses_no_job(solved: Kit) -> None:
    """The run does not count, and every job that was accepted is done, once."""
    running = solved.start("run", "bulkheads", "--scale", "0.4")
    wait_for(solved, running=4)
    os.kill(solved.pid("worker"), signal.SIGKILL)
    told, _ = running.communicate(timeout=300)
    assert "verdict=INVALID" in told, told
    assert "the stack restarted during the run: worker once" in told

    until_s = time.monotonic() + SETTLED_S
    while not (jobs := books(solved)) or any(job["finished_s"] is None for job in jobs):
        assert time.monotonic() < until_s, "the jobs were not worked off"
        time.sleep(0.2)
    by_id = {job["id"]: job for job in jobs}
    last = max((solved.root / "reports" / "bulkheads").iterdir())
    accepted = [job_id for row in record.load(last).rows if (job_id := id_of(row))]
    assert len(accepted) > 10
    assert [job_id for job_id in accepted if job_id not in by_id] == []
    assert [job for job in by_id.values() if job["finishes"] != 1 or not job["result"]] == []
    # All four, but for those that came to their end between the look and the kill.
    assert any(job["attempts"] > 1 for job in by_id.values()), "no job was in hand when the worker was killed"
    assert Path(last, "report.html").is_file()
