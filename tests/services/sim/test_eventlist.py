"""The event list: one total order, whatever is scheduled, cancelled or run again."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsvc.errors import Misuse
from labsvc.sim.eventlist import EventList, Handle
from labsvc.sim.instant import NEVER_US

# Few instants and priorities, so that ties are common.
ENTRIES = st.lists(st.tuples(st.integers(0, 20), st.integers(-2, 2), st.booleans()), max_size=60)


@given(ENTRIES)
def test_order_is_time_then_priority_then_age(entries: list[tuple[int, int, bool]]) -> None:
    """Events run in the order a sorted list gives, and cancelled ones never."""
    events, ran = EventList(), []
    handles = [events.at(t, ran.append, (t, p, k), p) for k, (t, p, _) in enumerate(entries)]
    for handle, (_, _, cancelled) in zip(handles, entries, strict=True):
        if cancelled:
            assert events.cancel(handle)
            assert not events.cancel(handle)
    expected = sorted((t, p, k) for k, (t, p, cancelled) in enumerate(entries) if not cancelled)
    assert [(t, p) for t, p, _ in events.pending()] == [(t, p) for t, p, _ in expected]
    assert events.run_until(20) == len(expected)
    assert ran == expected
    assert events.executed == len(expected)
    assert not any(events.cancel(handle) for handle in handles)


@given(ENTRIES, st.integers(1, 5))
def test_slices_run_the_same_events(entries: list[tuple[int, int, bool]], limit: int) -> None:
    """A run in slices of `limit` events is the run in one piece."""

    def run(limit: int) -> list[tuple[int, int]]:
        events, ran = EventList(), []

        def happen(k: int) -> None:
            ran.append((events.now_us, k))
            if k % 3 == 0 and k < 100:  # some events schedule others, at once or later
                events.at(events.now_us + k % 2, happen, k + 101, -1)

        for k, (t, p, _) in enumerate(entries):
            events.at(t, happen, k, p)
        while events.now_us < 30:
            events.run_until(30, limit=limit)
        return ran

    assert run(limit) == run(NEVER_US)


@dataclass
class Repeater:
    """An event that asks to run again, `times` times, every `period` microseconds."""

    events: EventList
    period: int
    times: int
    ran: list[int]

    def __call__(self, _: None) -> int | None:
        self.ran.append(self.events.now_us)
        self.times -= 1
        return self.events.now_us + self.period if self.times else None


def test_an_event_that_returns_an_instant_runs_again() -> None:
    """The returned instant counts like one given to at(), also when it is taken by others or is now."""
    events = EventList()
    alone, tied, at_once = (Repeater(events, period, 3, []) for period in (10, 10, 0))
    events.at(5, alone, None)
    events.at(5, tied, None)
    events.at(7, at_once, None)
    assert events.run_until(100) == 9
    assert (alone.ran, tied.ran, at_once.ran) == ([5, 15, 25], [5, 15, 25], [7, 7, 7])


def test_a_repeating_event_is_cancelled_by_its_first_handle() -> None:
    """The handle stays good while the event moves on."""
    events = EventList()
    ticker = Repeater(events, 10, 99, [])
    handle = events.at(0, ticker, None)
    events.run_until(25)
    assert events.cancel(handle)
    events.run_until(100)
    assert ticker.ran == [0, 10, 20]


def test_a_handle_made_beforehand_is_scheduled_again_and_again() -> None:
    """Each time it runs once, and it can be cancelled while it is pending only."""
    events, ran = EventList(), []
    handle = events.unscheduled(lambda name: ran.append((name, events.now_us)), "bell")
    assert not events.cancel(handle)
    for time_us in (3, 9):
        events.again(handle, time_us)
        events.run_until(time_us)
    events.again(handle, 20)
    assert events.cancel(handle)
    events.run_until(30)
    assert ran == [("bell", 3), ("bell", 9)]


def test_the_past_is_refused() -> None:
    """Neither at() nor a returned instant can turn time back."""
    events = EventList(start_us=100)
    with pytest.raises(Misuse, match="cannot schedule at 99 us, it is 100 us"):
        events.at(99, print, None)
    events.at(110, lambda _: 105, None)
    with pytest.raises(Misuse, match="cannot schedule at 105 us, it is 110 us"):
        events.run_until(200)


def test_running_inside_an_event_is_refused() -> None:
    """An event cannot run the list that runs it."""
    events = EventList()
    events.at(1, lambda _: events.run_until(5), None)
    with pytest.raises(Misuse, match="inside an event"):
        events.run_until(10)


def test_a_failing_event_leaves_the_list_usable() -> None:
    """What was to come after an event that raised still comes, and that event does not come again."""
    events, ran = EventList(), []
    events.at(1, lambda _: 1 // 0, None)
    events.at(2, ran.append, "later")
    with pytest.raises(ZeroDivisionError):
        events.run_until(10)
    assert (events.now_us, events.executed) == (1, 1)
    events.run_until(10)
    assert (ran, events.now_us, events.executed) == (["later"], 10, 2)


def test_cancelled_events_give_their_memory_back() -> None:
    """Timers that are nearly always cancelled, like patience, do not pile up."""
    events = EventList()
    for k in range(10_000):
        events.cancel(events.at(1_000_000 + k, print, None))
    assert len(events._heap) < 200


@given(st.lists(st.integers(0, 6), max_size=30))
def test_next_us_is_the_instant_of_the_next_event(times: list[int]) -> None:
    """Also when what would have come next was cancelled."""
    events: EventList = EventList()
    handles: list[Handle] = [events.at(t, lambda _: None, None) for t in times]
    for handle in handles[::2]:
        events.cancel(handle)
    left = sorted(times[1::2])
    if left:
        events.run_until(events.next_us())
        assert events.now_us == left[0]
    else:
        assert events.run_until(10) == 0
