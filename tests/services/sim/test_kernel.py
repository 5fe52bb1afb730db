"""The kernel: commands between events, records with causes, replays equal to the byte."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labsvc.errors import Misuse
from labsvc.sim.entity import Origin, child, entity
from labsvc.sim.instant import HOUR_US
from labsvc.sim.kernel import Kernel
from labsvc.sim.record import Record

Shop = Callable[..., Any]

RUSH = {"id": "rush", "target": "orders", "multiplier": 3, "duration_s": 7200}
EVENT = {
    "type": "marketing",
    "title": "viral",
    "expected": {"direction": "increase", "magnitude": "high", "duration_s": 1},
}
COMMANDS = st.lists(
    st.tuples(
        st.integers(0, 6 * HOUR_US),
        st.sampled_from(
            [
                ("orders.rate", {"per_hour": 200.0}),
                ("orders.rate", {"per_hour": 0.0}),
                ("event.inject", {"event": EVENT, "effects": [RUSH]}),
                ("scenario.reset", {}),
            ]
        ),
    ),
    max_size=6,
)


def test_a_command_is_applied_after_all_that_was_due(kernel: Kernel) -> None:
    """Events of the same instant come first; the log says when it was and how many events had run."""
    order: list[str] = []
    kernel.on_command("mark", lambda text: order.append(text))
    kernel.at(5, lambda _: order.append("event"), None)
    kernel.at(5, lambda _: order.append("event too"), None)
    kernel.run_until(5, limit=1)
    kernel.command("mark", text="command")
    assert order == ["event", "event too", "command"]
    assert kernel.log[0] == (5, 2, "mark", {"text": "command"})


def test_an_unknown_command_names_the_known_ones(kernel: Kernel) -> None:
    """And is not logged."""
    kernel.on_command("start", lambda: None)
    with pytest.raises(Misuse, match="unknown command 'stop', expected one of: start"):
        kernel.command("stop")
    assert kernel.log == []


def test_a_refused_command_is_not_logged(kernel: Kernel) -> None:
    """A handler that raises Misuse has done nothing, so a replay need not know."""

    def refuse() -> None:
        raise Misuse("not now")

    kernel.on_command("start", refuse)
    with pytest.raises(Misuse, match="not now"):
        kernel.command("start")
    assert kernel.log == []


def test_arguments_are_what_a_replay_will_read(kernel: Kernel) -> None:
    """Tuples become lists on both sides."""
    seen: list[object] = []
    kernel.on_command("put", lambda items: seen.append(items))
    kernel.command("put", items=(1, 2))
    assert seen == [[1, 2]]
    assert kernel.log[0].arguments == {"items": [1, 2]}


def test_ticks_are_events(kernel: Kernel) -> None:
    """Every period from now, counted like all others."""
    seen: list[int] = []
    kernel.every(10, lambda: seen.append(kernel.now_us))
    assert kernel.run_until(35) == 3
    assert seen == [10, 20, 30]


def test_records_carry_id_cause_and_parent(kernel: Kernel) -> None:
    """A child points to its parent and inherits the cause, unless its course was changed."""
    records: list[Record] = []
    kernel.observe(records.append)
    extra = entity(Origin("orders+rush", "modifier:rush"), 3)
    paid, failed = child(extra, "paid"), child(entity(Origin("orders"), 4), "failed", cause="modifier:outage")
    for about in (extra, paid, failed):
        kernel.emit("s", about, {"n": 1})
    assert [(r.id, r.cause, r.parent) for r in records] == [
        ("orders+rush#3", "modifier:rush", None),
        ("orders+rush#3/paid", "modifier:rush", "orders+rush#3"),
        ("orders#4/failed", "modifier:outage", "orders#4"),
    ]


def test_the_public_view_tells_no_cause(kernel: Kernel) -> None:
    """Participants see tokens that link parent and child, and nothing that names a modifier."""
    extra = entity(Origin("orders+rush", "modifier:rush"), 3)
    parent = kernel.emit("s", extra, {"n": 1}).public(kernel.streams.token)
    paid = kernel.emit("s", child(extra, "paid"), {"n": 1}).public(kernel.streams.token)
    assert paid["parent"] == parent["id"]
    assert "rush" not in repr([parent, paid])
    assert parent.keys() == {"id", "at_us", "stream", "parent", "data"}


@given(COMMANDS, st.integers(0, 100), st.integers(1, 500))
@settings(max_examples=12)
def test_seed_and_commands_replay_to_the_byte(
    shop: Shop, commands: list[tuple[int, tuple[str, dict[str, Any]]]], seed: int, limit: int
) -> None:
    """The same commands at the same instants give the same log hash, whatever the slices the run was cut into."""

    def play(limit: int) -> tuple[str, str, int]:
        run = shop(seed=seed)
        start_us = run.kernel.now_us
        for after_us, (name, arguments) in sorted(commands, key=lambda c: c[0]):
            while run.kernel.now_us < start_us + after_us:
                run.kernel.run_until(start_us + after_us, limit=limit)
            run.kernel.command(name, **arguments)
        run.kernel.run_until(start_us + 8 * HOUR_US)
        return run.hash.hexdigest(), run.kernel.fingerprint(), run.hash.count

    first = play(limit)
    assert first == play(1 << 40)
    assert first[2] > 0 or any(name == "orders.rate" for _, (name, _) in commands)


def test_another_seed_gives_another_run(shop: Shop) -> None:
    """The hash does tell runs apart."""
    assert shop(seed=1).hours(5).hash.hexdigest() != shop(seed=2).hours(5).hash.hexdigest()


def test_two_kernels_in_one_process_do_not_touch_each_other(shop: Shop) -> None:
    """No state is shared: interleaved runs equal separate ones."""
    alone = shop(seed=3).hours(6).hash.hexdigest()
    one, other = shop(seed=3), shop(seed=4)
    for _ in range(6):
        one.hours(1)
        other.hours(1)
    assert one.hash.hexdigest() == alone
