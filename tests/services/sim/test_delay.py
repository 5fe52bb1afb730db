"""Durations as data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labsvc.sim.delay import Delay
from labsvc.sim.streams import Streams

MEDIANS_S = [
    (Delay(kind="constant", seconds=3), 3.0),
    (Delay(kind="uniform", min_s=2, max_s=6), 4.0),
    (Delay(kind="exponential", mean_s=10), 6.931472),
    (Delay(kind="lognormal", median_s=40, sigma=0.5), 40.0),
]


@pytest.mark.parametrize(("delay", "median_s"), MEDIANS_S)
def test_the_middle_number_gives_the_median(delay: Delay, median_s: float) -> None:
    """u = 0.5 is the median of each kind."""
    assert delay.at(0.5) == round(median_s * 1e6)


@given(st.sampled_from([delay for delay, _ in MEDIANS_S]), st.floats(0, 1, exclude_max=True))
def test_a_greater_number_never_gives_a_shorter_delay(delay: Delay, u: float) -> None:
    """What couples two runs: the delay rises with its number, and is never negative."""
    assert 0 <= delay.at(u / 2) <= delay.at(u)


def test_max_s_cuts_long_tails_off() -> None:
    """A limit is a limit, for single delays and for samplers."""
    delay = Delay(kind="exponential", mean_s=10, max_s=12)
    assert delay.at(0.999) == 12_000_000
    sample = delay.sampler(Streams(seed=1, world="w").stream("a", "b"))
    assert max(sample() for _ in range(2000)) == 12_000_000


def test_a_sampler_has_the_distribution_of_single_delays() -> None:
    """20,000 lognormal times: the share below the upper quartile is 0.75 within 4 standard errors (0.0122)."""
    delay = Delay(kind="lognormal", median_s=40, sigma=0.5)
    sample = delay.sampler(Streams(seed=1, world="w").stream("a", "b"))
    assert abs(sum(sample() < delay.at(0.75) for _ in range(20_000)) / 20_000 - 0.75) < 0.0123


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"kind": "lognormal"}, "a delay of kind lognormal needs median_s, sigma"),
        ({"kind": "uniform", "min_s": 5, "max_s": 2}, "min_s 5.0 is greater than max_s 2.0"),
        ({"kind": "constant", "seconds": -1}, "greater than or equal to 0"),
    ],
)
def test_a_delay_that_makes_no_sense_is_refused(given_: dict[str, object], words: str) -> None:
    """The message says what is missing or wrong."""
    with pytest.raises(ValidationError, match=words):
        Delay.model_validate(given_)
