"""The child's counters and live figures."""

import os
import tempfile
from collections.abc import Iterator

import pytest

from labdriver.load import spool
from labdriver.load.tally import Tally

T0_S = 500.0


@pytest.fixture
def spool_fd() -> Iterator[int]:
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


def end(tally: Tally, seq: int, done_s: float, *, status: int = 200, error: str = "") -> None:
    """Let the request event of `seq` happen."""
    context = {"seq": seq, "done": T0_S + done_s, "status": status, "error": error, "body": b""}
    tally.on_request(request_type="GET", name="q", response_time=0.0, context=context)


def test_progress_counts_what_happened(spool_fd: int) -> None:
    """Sent, ok, failed and in flight."""
    tally = Tally([0.0, 0.1, 0.2, 0.3], t0_mono_s=T0_S, spool_fd=spool_fd)
    for seq in range(3):
        tally.started(seq, T0_S + seq / 10)
    end(tally, 0, 0.05)
    end(tally, 1, 0.15, status=503)
    told = tally.progress(T0_S + 0.35)
    assert (told["t_s"], told["sent"], told["ok"], told["failed"], told["in_flight"]) == (0.35, 3, 1, 1, 1)


def test_progress_p95_counts_open_requests_at_their_age(spool_fd: int) -> None:
    """Ten requests, one of them open since 0.95 s: that is the p95, at least."""
    tally = Tally([i / 10 for i in range(10)], t0_mono_s=T0_S, spool_fd=spool_fd)
    for seq in range(10):
        tally.started(seq, T0_S + seq / 10)
        if seq:
            end(tally, seq, seq / 10 + 0.004)
    told = tally.progress(T0_S + 0.95)
    assert (told["p95_ms"], told["p95_censored"]) == (pytest.approx(950), True)
    end(tally, 0, 0.94)
    told = tally.progress(T0_S + 0.95)
    assert (told["p95_ms"], told["p95_censored"]) == (pytest.approx(940), False)


def test_progress_without_requests_in_the_last_second_has_no_p95(spool_fd: int) -> None:
    """No data is no value."""
    tally = Tally([0.0, 5.0], t0_mono_s=T0_S, spool_fd=spool_fd)
    assert tally.progress(T0_S + 3)["p95_ms"] is None


def test_progress_rate_looks_back_one_second(spool_fd: int) -> None:
    """Ten a second, told four times a second, after a silent start."""
    tally = Tally([i / 10 for i in range(40)], t0_mono_s=T0_S, spool_fd=spool_fd)
    rates = []
    for quarter in range(1, 13):
        for seq in range(tally.sent, int(quarter * 2.5)):
            tally.started(seq, T0_S + seq / 10)
        rates.append(tally.progress(T0_S + quarter / 4)["rate_rps"])
    assert rates[-1] == pytest.approx(10, abs=1)


def test_close_ends_the_account(spool_fd: int) -> None:
    """What is open is hung; what ends later changes nothing any more."""
    tally = Tally([0.0, 0.1, 0.2], t0_mono_s=T0_S, spool_fd=spool_fd)
    tally.started(0, T0_S)
    tally.started(1, T0_S + 0.1)
    end(tally, 0, 0.2)
    assert tally.close() == {"ok": 1, "failed": 0, "hung": 1, "unsent": 1}
    end(tally, 1, 0.3)
    tally.write()
    entries = spool.read(os.pread(spool_fd, 1000, 0))
    assert (entries[0].status, entries[1].done_mono_s) == (200, None)


def test_write_keeps_what_a_full_disk_refuses() -> None:
    """/dev/full stands for the disk: the entries stay in memory for the next time."""
    full = "/dev/full"
    if not os.path.exists(full):
        pytest.skip("this system has no /dev/full")
    fd = os.open(full, os.O_WRONLY)
    with tempfile.TemporaryFile() as file:
        tally = Tally([0.0], t0_mono_s=T0_S, spool_fd=fd)
        tally.started(0, T0_S)
        tally.write()
        os.dup2(file.fileno(), fd)
        tally.write()
        assert spool.read(os.pread(file.fileno(), 100, 0)) == {0: spool.Entry(T0_S)}
    os.close(fd)
