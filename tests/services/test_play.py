"""Which calls are spoilt: the promised share, reproducible, in every small run."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsvc.depsim.play import BLOCK_CALLS, Deck, Play, latency_ms
from labsvc.depsim.script import Latency, Phase


def phase(*shares: float) -> Phase:
    kinds = ("hang", "error", "drop")
    faults = [{"kind": kind, "share_ratio": share} for kind, share in zip(kinds, shares, strict=False)]
    behaviour = {"latency": {"kind": "lognormal", "median_ms": 40, "sigma": 0.3}, "faults": faults}
    return Phase.model_validate({"name": "bad", "duration_s": 8, "operations": {"pricing": behaviour}})


def test_each_block_of_twenty_holds_the_promised_number() -> None:
    """30 % of 20 calls are 6, in the first block as in the tenth."""
    deck = Deck([0.3, 0.05], random.Random(7))
    for _ in range(10):
        block = [deck.deal() for _ in range(BLOCK_CALLS)]
        assert (block.count(0), block.count(1)) == (6, 1)


@given(
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=4).map(lambda xs: [x / max(1.0, sum(xs)) for x in xs]),
    blocks=st.integers(1, 30),
    seed=st.integers(0, 2**32),
)
def test_dealt_shares_stay_within_one_call_of_the_promise(shares: list[float], blocks: int, seed: int) -> None:
    """Fractions are carried over, and no share grows at the cost of another one for long."""
    deck = Deck(shares, random.Random(seed))
    cards = [deck.deal() for _ in range(blocks * BLOCK_CALLS)]
    for index, share in enumerate(shares):
        assert abs(cards.count(index) - share * len(cards)) <= len(shares) + 1


def test_equal_seeds_spoil_equal_calls_and_other_seeds_do_not() -> None:
    """Latency and fault of call n depend on seed, phase and operation only."""

    def drawn(seed: int) -> list[tuple[float, str]]:
        play = Play(seed)
        draws = [play.draw(phase(0.3), "pricing") for _ in range(100)]
        return [(draw.latency_s, draw.spoilt[0].name if draw.spoilt else "") for draw in draws]

    assert drawn(5) == drawn(5)
    assert [fault for _, fault in drawn(5)] != [fault for _, fault in drawn(6)]


def test_without_a_script_every_call_is_healthy_and_takes_40_ms() -> None:
    """The default behaviour, also for operations that a phase does not name."""
    assert {Play(1).draw(None, "pricing").latency_s, Play(1).draw(phase(1.0), "payment").latency_s} == {0.04}


@pytest.mark.parametrize(
    ("latency", "median_ms"),
    [
        (Latency(kind="constant", ms=12), 12),
        (Latency(kind="uniform", min_ms=10, max_ms=30), 20),
        (Latency(kind="lognormal", median_ms=40, sigma=0.3), 40),
    ],
)
def test_latency_has_the_median_it_says_seed_3(latency: Latency, median_ms: float) -> None:
    """Within 3 % over 5000 draws."""
    stream = random.Random(3)
    draws = [latency_ms(latency, stream) for _ in range(5000)]
    assert statistics.median(draws) == pytest.approx(median_ms, rel=0.03)


def test_the_live_business_draws_from_streams_of_its_own() -> None:
    """However many of its calls lie between, the load's calls are given what they would have been given."""
    bad = phase(0.3, 0.1)

    def given_to_load(background_calls: int) -> list[tuple[float, str | None]]:
        play, found = Play(seed=5), []
        for _ in range(40):
            for _ in range(background_calls):
                play.draw(bad, "pricing", traffic="background")
            draw = play.draw(bad, "pricing")
            found.append((draw.latency_s, draw.spoilt[0].name if draw.spoilt else None))
        return found

    assert given_to_load(0) == given_to_load(3)
