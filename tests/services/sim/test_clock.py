"""The clock: wall time in, simulated time out, and the lag as a figure."""

import math

import pytest

from labsvc.errors import Misuse
from labsvc.sim.clock import FASTEST, PAUSED, Clock


class Wall:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.ns = 5_000_000_000

    def __call__(self) -> int:
        return self.ns

    def forward(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)


@pytest.mark.parametrize(("pace", "due_us"), [(1, 2_000_000), (60, 120_000_000), (3600, 7_200_000_000)])
def test_simulated_time_runs_at_its_pace(pace: float, due_us: int) -> None:
    """Two seconds on the wall."""
    wall = Wall()
    clock = Clock(wall_ns=wall, now_us=1000, pace=pace)
    wall.forward(2)
    assert clock.due_us(1000) == 1000 + due_us
    assert clock.wait_s(1000 + 2 * due_us) == pytest.approx(2)
    assert clock.wait_s(1000) == 0


def test_a_pause_stops_time_and_a_new_pace_does_not_jump() -> None:
    """Ten minutes of pause cost nothing; from then on it is the new pace from where the run was."""
    wall = Wall()
    clock = Clock(wall_ns=wall, now_us=0, pace=10)
    wall.forward(1)
    clock.set_pace(PAUSED, 10_000_000)
    wall.forward(600)
    assert clock.due_us(10_000_000) == 10_000_000
    assert clock.wait_s(10_000_001) == math.inf
    clock.set_pace(2, 10_000_000)
    wall.forward(3)
    assert clock.due_us(10_000_000) == 16_000_000


def test_lag_is_that_of_the_oldest_event_of_a_batch() -> None:
    """At 100x an event of 1 s is due after 10 ms; run at 14 ms it is 4 ms late."""
    wall = Wall()
    clock = Clock(wall_ns=wall, now_us=0, pace=100)
    wall.forward(0.014)
    clock.ran(1_000_000, 1_400_000)
    assert clock.lag_ms == pytest.approx(4)
    for k in range(1, 100):
        wall.forward(0.010)
        clock.ran(1_400_000 + k * 1_000_000, 1_400_000 + k * 1_000_000)
    assert clock.lag_p99_ms() == pytest.approx(0, abs=1e-6)
    assert clock.worst_lag_ms == pytest.approx(4)


def test_a_long_stall_is_forgiven_and_counted() -> None:
    """A laptop that slept for an hour does not race through it afterwards."""
    wall = Wall()
    clock = Clock(wall_ns=wall, now_us=0, pace=1, forgive_s=5)
    wall.forward(3600)
    clock.ran(1_000_000, 2_000_000)
    assert clock.forgiven_s == pytest.approx(3598)
    wall.forward(1)
    assert clock.due_us(2_000_000) == 3_000_000


def test_as_fast_as_possible_is_never_late() -> None:
    """Everything is due, and no lag is counted."""
    clock = Clock(wall_ns=Wall(), now_us=0, pace=FASTEST)
    clock.ran(5, 10)
    assert clock.due_us(50) > 50
    assert (clock.wait_s(10**15), clock.lag_p99_ms()) == (0, 0)


@pytest.mark.parametrize("pace", [-1, 1e6, math.nan])
def test_a_pace_that_is_none_is_refused(pace: float) -> None:
    """The message says what is possible."""
    with pytest.raises(Misuse, match=r"expected 0 \(paused\) to 100000, or infinite"):
        Clock(wall_ns=Wall(), now_us=0, pace=pace)
