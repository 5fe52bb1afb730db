"""Named chance: independent by construction, reproducible, and even."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsvc.errors import Misuse
from labsvc.sim.streams import Streams, exponential_us


def numbers(streams: Streams, name: str) -> list[float]:
    source = streams.stream(name, "test")
    return [source.random() for _ in range(5)]


def test_a_stream_does_not_move_when_others_are_added() -> None:
    """The numbers of a stream depend on its own name only."""
    alone = numbers(Streams(seed=1, world="w"), "b")
    crowd = Streams(seed=1, world="w")
    assert [numbers(crowd, name) for name in ("a", "b", "c")][1] == alone


@pytest.mark.parametrize("other", [Streams(seed=2, world="w"), Streams(seed=1, world="v")])
def test_seed_and_world_make_other_numbers(other: Streams) -> None:
    """Two runs share numbers only when they share both."""
    assert numbers(Streams(seed=1, world="w"), "a") != numbers(other, "a")


def test_a_purpose_is_given_once() -> None:
    """Two decisions cannot share a stream by mistake."""
    streams = Streams(seed=1, world="w")
    streams.stream("orders", "arrivals")
    with pytest.raises(Misuse, match="'orders' for 'arrivals' is taken"):
        streams.stream("orders", "arrivals")


def test_blocks_come_alone_and_in_any_order() -> None:
    """Day 5 is the same whether or not days 1 to 4 were made."""
    streams = Streams(seed=1, world="w")
    backwards = {k: streams.block("orders", "day", k).random() for k in (5, 4, 3)}
    assert streams.block("orders", "day", 5).random() == backwards[5]
    assert len(set(backwards.values())) == 3


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_draw_is_a_pure_function_of_its_names(key: str, purpose: str) -> None:
    """Asked again, in another run of the same seed, it is the same number in [0, 1)."""
    u = Streams(seed=3, world="w").draw(key, purpose)
    assert 0 <= u < 1
    assert Streams(seed=3, world="w").draw(key, purpose) == u


def test_draws_are_even() -> None:
    """Chi-square over 20 cells of 20,000 draws: below the 99.9 % point of 19 degrees of freedom."""
    streams = Streams(seed=11, world="w")
    cells = [0] * 20
    for k in range(20_000):
        cells[int(streams.draw(f"orders#{k}", "fate") * 20)] += 1
    assert sum((n - 1000) ** 2 / 1000 for n in cells) < 43.8


def test_exponential_times_have_mean_and_shape() -> None:
    """100,000 times: mean within 4 standard errors, share above the mean 1/e within 4 standard errors."""
    sample = exponential_us(Streams(seed=5, world="w").stream("x", "gap"), 1e6)
    times = [sample() for _ in range(100_000)]
    assert abs(sum(times) / 1e5 - 1e6) < 4 * 1e6 / math.sqrt(1e5)
    assert abs(sum(t > 1e6 for t in times) / 1e5 - math.exp(-1)) < 4 * math.sqrt(0.2325 / 1e5)


def test_a_token_tells_nothing() -> None:
    """Ids name their cause; tokens are of one form, and differ."""
    streams = Streams(seed=1, world="w")
    tokens = {streams.token("orders#1"), streams.token("orders+rush.1/more#1")}
    assert {len(token) for token in tokens} == {16}
    assert len(tokens) == 2
