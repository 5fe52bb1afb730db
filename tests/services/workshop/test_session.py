"""The hour: its clock, its segments, what a facilitator does to it, and that all of it outlives the process."""

import pytest
from tests.services.workshop.conftest import Made, Make

from labsvc.rest import Refused


def test_session_starts_with_a_code_and_a_running_clock(made: Made) -> None:
    """A started session tells code, plan and clock, and everybody hears of it."""
    session = made.start(expected=80)
    assert len(session.code) == 6
    assert not set(session.code) & set("01IOL")
    assert [s.lab for s in session.segments if s.lab] == ["timeouts", "tx", "bulkheads", "autoscale"]
    assert [s.minutes for s in session.segments] == [5, 12, 15, 13, 10, 5]
    assert made.streams("workshop.session") == ["workshop.session"]


def test_one_session_at_a_time(made: Made) -> None:
    """A second start is refused until the first has ended."""
    made.start()
    with pytest.raises(Refused, match="running already") as refused:
        made.start()
    assert refused.value.status == 409
    made.run(made.workshop.hour.stop())
    assert made.start().state == "running"


def test_pause_stops_clock_and_business(made: Made) -> None:
    """The hour stands while it is paused, and goes on where it stood."""
    made.start()
    made.clock.t_s += 100
    assert made.run(made.workshop.hour.pause(True)).clock.clock_s == 100
    assert made.business.held
    made.clock.t_s += 1000
    assert made.run(made.workshop.hour.status()).session.clock.clock_s == 100
    made.run(made.workshop.hour.pause(False))
    made.clock.t_s += 5
    assert made.run(made.workshop.hour.status()).session.clock.clock_s == 105
    assert not made.business.held


def test_speed_runs_the_clock_faster(made: Made) -> None:
    """A rehearsal's hour passes in minutes."""
    made.start(speed=30)
    made.clock.t_s += 10
    assert made.run(made.workshop.hour.status()).session.clock.clock_s == 300


def test_next_goes_through_the_hour_and_stops_at_its_end(made: Made) -> None:
    """Each segment knows when it began; going to the one that runs changes nothing; beyond the last is refused."""
    made.start()
    for expected in range(1, 6):
        made.clock.t_s += 60
        moved = made.run(made.workshop.hour.go_to(None))
        assert (moved.segment, moved.segment_clock_s) == (expected, 60.0 * expected)
    made.clock.t_s += 60
    assert made.run(made.workshop.hour.go_to(5)).segment_clock_s == 300
    with pytest.raises(Refused, match="segment 6"):
        made.run(made.workshop.hour.go_to(None))


def test_state_survives_a_restart(make: Make) -> None:
    """Another process on the same database goes on with the same session, clock and segment."""
    before = make()
    code = before.start().code
    before.clock.t_s += 30
    before.run(before.workshop.hour.go_to(2))
    before.run(before.workshop.hour.pause(True))
    after = make()
    session = after.run(after.workshop.hour.status()).session
    assert (session.code, session.segment, session.state, session.clock.clock_s) == (code, 2, "paused", 30)
    after.beat()
    assert after.business.held  # the business stands still after the restart too


def test_scenario_is_triggered_and_written_down(made: Made) -> None:
    """A known scenario reaches the business and the distribution; an unknown one is refused by name."""
    made.start()
    assert made.run(made.workshop.hour.scenario("rush-orders")) == "active"
    assert made.run(made.workshop.hour.status()).scenario_distribution == {"rush-orders": 1}
    with pytest.raises(Refused, match="unknown scenario"):
        made.run(made.workshop.hour.scenario("earthquake"))
    assert made.business.told == [("trigger", "rush-orders")]


def test_nothing_to_steer_without_a_session(made: Made) -> None:
    """Steering without a session says what to do."""
    with pytest.raises(Refused, match="on the facilitator's page"):
        made.run(made.workshop.hour.pause(True))
    assert made.run(made.workshop.hour.status()).session is None
    made.beat()
    assert made.emitted[-1][1]["board"]["session"] is None


def test_figures_are_written_down(made: Made) -> None:
    """Every half minute of the session the figures that analytics may want later."""
    made.start()
    made.beat()
    made.clock.t_s += 10
    made.beat()
    made.clock.t_s += 30
    made.beat()

    async def stored() -> list[tuple[str, float]]:
        async with made.workshop.context.store.turn() as db:
            rows = await (await db.execute("SELECT metric, value FROM workshop_metrics")).fetchall()
        return [(row["metric"], row["value"]) for row in rows]

    figures = made.run(stored())
    assert len(figures) == 10
    assert ("orders_generated", 41.0) in figures


def test_board_is_told_on_news_only(made: Made) -> None:
    """A clock that runs is no news; somebody who joins is; after a while the state is told anyway."""
    made.start()
    made.beat()
    had = len(made.streams("workshop.board"))
    for _ in range(5):
        made.clock.t_s += 1
        made.beat()
    assert len(made.streams("workshop.board")) == had
    made.join("Ann")
    made.beat()
    assert len(made.streams("workshop.board")) == had + 1
    made.clock.t_s += 16
    made.beat()
    assert len(made.streams("workshop.board")) == had + 2
