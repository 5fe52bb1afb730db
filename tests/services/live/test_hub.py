"""The hub: who gets what, what is replayed, and what a slow client costs."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.services.live.wires import HandClock, MemoryWire, payload

from labsvc.errors import Misuse
from labsvc.live.event import from_iso
from labsvc.live.hub import Hub, Reader
from labsvc.live.message import frame, subscribe
from labsvc.live.ring import Bounds
from labsvc.live.topics import parse


def joined(hub: Hub, topics: Sequence[str] = ("*",), **more: object) -> tuple[MemoryWire, Reader]:
    """A client with a subscription."""
    wire = MemoryWire()
    reader = hub.attach(wire)
    hub.subscribe(reader, parse(topics), **more)  # type: ignore[arg-type]
    return wire, reader


def publish(hub: Hub, *numbers: int, stream: str = "orders.placed") -> None:
    for number in numbers:
        hub.publish(stream, {"n": number})


def test_events_of_a_flush_come_as_one_batch() -> None:
    """One event is an `event`, several are a `batch`, none is nothing."""
    hub = Hub(HandClock())
    wire, _ = joined(hub)
    hub.flush()
    publish(hub, 1)
    hub.flush()
    publish(hub, 2, 3)
    hub.flush()
    assert [m["type"] for m in wire.messages] == ["subscribed", "event", "batch"]
    assert wire.numbers() == [1, 2, 3]
    assert set(wire.events()[0]) == {"stream", "timestamp", "data"}


def test_same_subscription_shares_the_same_bytes() -> None:
    """A batch is encoded once for everybody who wants the same."""
    hub = Hub(HandClock())
    written: list[bytes] = []

    class Noting(MemoryWire):
        def write(self, data: bytes) -> None:
            written.append(data)

    for topics in (["orders.*"], ["orders.placed", "orders.*"]):
        hub.subscribe(hub.attach(Noting()), parse(topics))
    written.clear()
    publish(hub, 1, 2)
    hub.flush()
    assert len(written) == 2
    assert written[0] is written[1]


def test_topics_filter() -> None:
    """A client gets its streams only."""
    hub = Hub(HandClock())
    wire, _ = joined(hub, ["tickets.*", "orders.shipped"])
    publish(hub, 1, stream="orders.placed")
    publish(hub, 2, stream="orders.shipped")
    publish(hub, 3, stream="tickets.opened")
    hub.flush()
    assert wire.numbers() == [2, 3]


def test_causes_and_hidden_streams_reach_facilitators_only() -> None:
    """What explains an event is not for participants, whatever they subscribe to."""
    hub = Hub(HandClock())
    everybody, _ = joined(hub, ["*"])
    curious, _ = joined(hub, ["facilitator.room"])
    facilitator, _ = joined(hub, ["*"], insight=True)
    hub.publish("orders.placed", {"n": 1}, cause={"kind": "modifier", "id": "rush"})
    hub.publish("facilitator.room", {"n": 2})
    hub.flush()
    assert everybody.numbers() == [1]
    assert "cause" not in everybody.events()[0]
    assert curious.numbers() == []
    assert facilitator.numbers() == [1, 2]
    assert facilitator.events()[0]["cause"] == {"kind": "modifier", "id": "rush"}


def test_newcomer_gets_the_last_ten_of_each_stream() -> None:
    """Without a past: ten events a stream, one of a state, in order."""
    hub = Hub(HandClock())
    publish(hub, *range(25))
    publish(hub, *range(100, 103), stream="tickets.opened")
    for number in (200, 201):
        hub.publish("workshop.board", {"n": number}, state=True)
    hub.flush()
    wire, _ = joined(hub)
    assert wire.numbers() == [*range(15, 25), 100, 101, 102, 201]


def test_old_events_of_a_quiet_stream_are_still_shown_to_newcomers() -> None:
    """The newest ten of a stream outlive the minute."""
    clock = HandClock()
    hub = Hub(clock)
    publish(hub, 1)
    hub.flush()
    clock.t_s += 600
    publish(hub, 2, stream="tickets.opened")
    hub.flush()
    wire, _ = joined(hub)
    assert wire.numbers() == [1, 2]


@given(seen=st.integers(0, 30), total=st.integers(0, 30))
def test_reconnect_with_last_timestamp_gets_exactly_the_rest(seen: int, total: int) -> None:
    """Who says where it stopped gets every later event once, none twice, whatever the timing."""
    hub = Hub(HandClock())  # time stands still: the timestamps must differ all the same
    wire, reader = joined(hub)
    publish(hub, *range(seen))
    hub.flush()
    hub.detach(reader)
    publish(hub, *range(seen, seen + total))
    hub.flush()
    if not seen:
        return
    again, _ = joined(hub, last_us=from_iso(wire.events()[-1]["timestamp"]))
    assert [*range(seen), *range(seen, seen + total)] == wire.numbers() + again.numbers()
    assert again.of("gap") == []


def test_events_waiting_for_a_flush_are_not_given_twice() -> None:
    """Who subscribes between two flushes gets what is pending with the flush."""
    hub = Hub(HandClock())
    publish(hub, 1)
    wire, _ = joined(hub)
    publish(hub, 2)
    hub.flush()
    assert wire.numbers() == [1, 2]


def test_reconnect_after_too_long_is_told() -> None:
    """A hole that the minute does not cover is told, never silent; streams not wanted make no hole."""
    clock = HandClock()
    hub = Hub(clock)
    _, reader = joined(hub)
    publish(hub, 1)
    publish(hub, 2, stream="tickets.opened")
    hub.flush()
    last_us = round(clock.t_s * 1e6) - 1
    hub.detach(reader)
    clock.t_s += 61
    publish(hub, 3, stream="tickets.opened")
    hub.flush()
    holed, _ = joined(hub, ["orders.*"], last_us=last_us + 1_000)
    assert holed.of("gap") == []
    told, _ = joined(hub, ["orders.*"], last_us=last_us)
    assert [gap["reason"] for gap in told.of("gap")] == ["restarted"]


def test_gap_names_why() -> None:
    """Purged events and a restarted server are told apart."""
    clock = HandClock()
    hub = Hub(clock)
    began_us = round(clock.t_s * 1e6)
    clock.t_s += 1
    publish(hub, 1)
    clock.t_s += 61
    publish(hub, 2)
    hub.flush()
    before, _ = joined(hub, last_us=began_us - 1)
    during, _ = joined(hub, last_us=began_us + 1)
    assert [gap["reason"] for gap in before.of("gap")] == ["restarted"]
    assert [gap["reason"] for gap in during.of("gap")] == ["too long ago"]
    assert during.numbers() == [2]


def test_stalled_reader_costs_nobody_a_frame_and_catches_up() -> None:
    """While one takes nothing, others get every frame; when it drains, it gets the rest in order."""
    hub = Hub(HandClock())
    healthy, _ = joined(hub)
    stalled, reader = joined(hub)
    stalled.is_full = True
    for number in range(300):
        publish(hub, number)
        hub.flush()
    assert healthy.numbers() == list(range(300))
    assert stalled.numbers() == []
    stalled.is_full = False
    hub.drained(reader)
    assert stalled.numbers() == list(range(300))
    publish(hub, 300)
    hub.flush()
    assert stalled.numbers()[-1] == 300
    assert stalled.of("gap") == []


def test_dropped_events_are_counted_and_told() -> None:
    """What left the ring while a client was stalled is told to it with its number."""
    clock = HandClock()
    hub = Hub(clock, bounds=Bounds(events=50))
    wire, reader = joined(hub, ["orders.*"])
    wire.is_full = True
    publish(hub, 1, 2)
    publish(hub, 9, stream="tickets.opened")
    hub.flush()
    publish(hub, *range(3, 63))
    hub.flush()
    wire.is_full = False
    hub.drained(reader)
    assert [gap["dropped"] for gap in wire.of("gap")] == [12]
    assert wire.numbers() == list(range(13, 63))
    assert hub.figures()["dropped"] == 12


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.integers(1, 12)),
        st.tuples(st.just("state"), st.just(0)),
        st.tuples(st.just("flush"), st.just(0)),
        st.tuples(st.just("fill"), st.integers(0, 1)),
        st.tuples(st.just("drain"), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.integers(1, 40)),
    ),
    max_size=60,
)


@given(STEPS)
def test_every_event_is_delivered_in_order_or_told_as_dropped(steps: list[tuple[str, int]]) -> None:
    """Law of the hub, for clients that stall and drain at any moment: got + dropped = due, in order, none twice."""
    clock = HandClock()
    hub = Hub(clock, bounds=Bounds(window_s=60, events=30))
    clients = [joined(hub, ["orders.*"]) for _ in range(3)]  # the last one never stalls
    published = 0
    for step, value in steps:
        if step == "publish":
            publish(hub, *range(published, published + value))
            published += value
        elif step == "state":
            hub.publish("board.now", {"n": -1}, state=True)
        elif step == "flush":
            hub.flush()
        elif step == "wait":
            clock.t_s += value
        elif step == "fill":
            clients[value][0].is_full = True
        else:
            clients[value][0].is_full = False
            hub.drained(clients[value][1])
    hub.flush()
    for wire, reader in clients[:2]:
        wire.is_full = False
        hub.drained(reader)
    assert clients[2][0].numbers() == list(range(published))
    for wire, _ in clients:
        numbers = wire.numbers()
        assert numbers == sorted(set(numbers))
        assert len(numbers) + sum(gap["dropped"] for gap in wire.of("gap")) == published


def test_slow_client_is_filled_in_bounded_frames() -> None:
    """Catching up stops as soon as the wire is full again, and goes on where it stopped."""
    hub = Hub(HandClock())
    wire, reader = joined(hub)
    wire.is_full = True
    for number in range(450):
        publish(hub, number)
    hub.flush()

    class OneFrame(MemoryWire):
        def write(self, data: bytes) -> None:
            super().write(data)
            self.is_full = True

    reader.wire = slow = OneFrame()
    sizes = []
    while len(slow.numbers()) < 450:
        had = len(slow.numbers())
        slow.is_full = False
        hub.drained(reader)
        sizes.append(len(slow.numbers()) - had)
    assert sizes == [100, 100, 100, 100, 50]
    assert slow.numbers() == list(range(450))


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frame_has_the_length_that_it_says(size: int) -> None:
    """The three forms of a length."""
    assert payload(frame(b"x" * size)) == b"x" * size


def test_states_are_replayed_once() -> None:
    """Of a stream of states a reconnecting client gets the newest alone."""
    hub = Hub(HandClock())
    began, reader = joined(hub)
    publish(hub, 0)
    hub.flush()
    hub.detach(reader)
    for number in (1, 2, 3):
        hub.publish("workshop.board", {"n": number}, state=True)
    hub.flush()
    wire, _ = joined(hub, last_us=from_iso(began.events()[0]["timestamp"]))
    assert wire.numbers() == [3]


def test_subscription_is_read_strictly() -> None:
    """The shape of the source, and one line for anything else."""
    asked = subscribe(json.loads('{"topics": ["a"], "lastTimestamp": "2026-01-01T00:00:00.5Z", "token": "t"}'))
    assert (asked.topics, asked.last_us, asked.token) == (("a",), 1_767_225_600_500_000, "t")
    for wrong in ({"topics": "a"}, {"topics": [], "lastTimestamp": 5}, {"topics": [], "lastTimestamp": "soon"}):
        with pytest.raises(Misuse, match=r"topics|lastTimestamp"):
            subscribe(wrong)
