"""The schedule: what is asked when, by whom."""

import json
import statistics
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labdriver.errors import Misuse
from labdriver.load.plan import BLOCK, WARM_UP, balanced, plan, stream

TWO_PHASES = [
    {"name": "calm", "kind": "healthy", "duration_s": 2, "rate_rps": 10},
    {"name": "busy", "kind": "fault", "duration_s": 1, "rate_rps": 40},
]
CLIENTS = [
    {"name": name, "share_ratio": share, "headers": {}}
    for name, share in (("browser", 0.4), ("phone", 0.3), ("partner", 0.2), ("script", 0.1))
]


def test_plan_same_seed_gives_same_plan(make_scenario: Any) -> None:
    """A run before an edit and one after it get the very same requests."""
    scenario = make_scenario(phases=TWO_PHASES, clients=CLIENTS, arrivals="poisson", warm_up_s=1)
    assert plan(scenario, seed=5) == plan(scenario, seed=5)


def test_plan_other_seed_gives_other_plan(make_scenario: Any) -> None:
    """The seed is what decides."""
    scenario = make_scenario(clients=CLIENTS, duration_s=3)
    assert plan(scenario, seed=5).client != plan(scenario, seed=6).client


def test_plan_even_arrivals_lie_on_the_grid_of_their_phase(make_scenario: Any) -> None:
    """Each phase starts its own grid at its own start."""
    planned = plan(make_scenario(phases=TWO_PHASES), seed=1)
    assert planned.intended_s[:3] == (0.0, 0.1, 0.2)
    assert planned.intended_s[20:23] == (2.0, 2.025, 2.05)
    assert Counter(planned.phase) == {0: 20, 1: 40}


def test_plan_even_count_is_rate_times_duration(make_scenario: Any) -> None:
    """No request is lost or added where rate times duration is not exact in binary."""
    for rate_rps, duration_s, expected in ((40, 6, 240), (3, 0.1, 1), (70, 0.7, 49), (100, 0.29, 29), (0, 5, 0)):
        assert len(plan(make_scenario(rate_rps=rate_rps, duration_s=duration_s), seed=1)) == expected


def test_plan_warm_up_is_the_first_phase_before_zero(make_scenario: Any) -> None:
    """The warm-up has the first phase's rate, negative times and a phase of its own."""
    planned = plan(make_scenario(phases=TWO_PHASES, warm_up_s=2), seed=1)
    warm = [s for s, phase in zip(planned.intended_s, planned.phase, strict=True) if phase == WARM_UP]
    assert (warm[0], len(warm)) == (-2.0, 20)
    assert max(warm) < 0
    assert list(planned.intended_s) == sorted(planned.intended_s)


def test_plan_a_phase_may_have_a_mix_of_its_own(make_scenario: Any) -> None:
    """A batch of one kind; the warm-up is mixed like the first phase, the others as the requests say."""
    phases = [
        {**TWO_PHASES[0], "mix": {"bulk": 0}},
        {**TWO_PHASES[1], "mix": {"bulk": 3}},
        {**TWO_PHASES[0], "name": "late"},
    ]
    requests = [{"name": name, "path": f"/{name}"} for name in ("single", "bulk")]
    planned = plan(make_scenario(phases=phases, requests=requests, warm_up_s=1), seed=1)
    mixed = Counter(zip(planned.phase, planned.target, strict=True))
    assert mixed == {(-1, "/single"): 10, (0, "/single"): 20, (1, "/single"): 10, (1, "/bulk"): 30} | {
        (2, "/single"): 10,
        (2, "/bulk"): 10,
    }


def test_plan_poisson_gaps_are_exponential(make_scenario: Any) -> None:
    """Mean and deviation of the gaps are both 1/rate, within 10 % over 2000 arrivals (seed 3)."""
    planned = plan(make_scenario(rate_rps=100, duration_s=20, arrivals="poisson"), seed=3)
    gaps = [b - a for a, b in zip(planned.intended_s, planned.intended_s[1:], strict=False)]
    assert statistics.fmean(gaps) == pytest.approx(0.01, rel=0.1)
    assert statistics.stdev(gaps) == pytest.approx(0.01, rel=0.1)


def test_plan_clients_have_their_exact_shares_in_every_block(make_scenario: Any) -> None:
    """A phase of twenty requests already has 8, 6, 4 and 2 of the four clients."""
    planned = plan(make_scenario(rate_rps=20, duration_s=3, clients=CLIENTS), seed=9)
    for start in range(0, 60, BLOCK):
        assert Counter(planned.client[start : start + BLOCK]) == {0: 8, 1: 6, 2: 4, 3: 2}


def test_plan_another_client_does_not_move_what_is_asked(make_scenario: Any) -> None:
    """Streams are independent: a change of clients leaves targets and times alone."""
    requests = [{"name": "q", "path": "/q/{sku}", "vary": {"sku": ["a", "b", "c"]}}, {"name": "h", "path": "/h"}]
    one = plan(make_scenario(requests=requests, duration_s=2, arrivals="poisson"), seed=4)
    four = plan(make_scenario(requests=requests, duration_s=2, arrivals="poisson", clients=CLIENTS), seed=4)
    assert (one.intended_s, one.target) == (four.intended_s, four.target)


def test_plan_varied_values_come_equally_often_and_are_quoted(make_scenario: Any) -> None:
    """Each value of a deck comes once before any comes twice; a path keeps its meaning."""
    requests = [{"name": "q", "path": "/q/{sku}?n={n}", "vary": {"sku": ["a/b", "c d"], "n": [1, 2, 3]}}]
    planned = plan(make_scenario(requests=requests, rate_rps=60, duration_s=0.1), seed=2)
    skus = [target.split("?")[0] for target in planned.target]
    assert Counter(skus) == {"/q/a%2Fb": 3, "/q/c%20d": 3}
    assert Counter(target.split("=")[1] for target in planned.target) == {"1": 2, "2": 2, "3": 2}


def test_plan_body_places_are_filled_and_keep_their_type(make_scenario: Any) -> None:
    """A text that is one place alone becomes the value itself; inside a longer text it becomes text."""
    body = {"qty": "{n}", "note": "no {n}", "deep": [{"sku": "{sku}"}], "fixed": 1.5}
    requests = [{"name": "o", "method": "POST", "path": "/o", "body": body, "vary": {"n": [7], "sku": ["x"]}}]
    planned = plan(make_scenario(requests=requests), seed=1)
    assert json.loads(planned.body[0] or "") == {"qty": 7, "note": "no 7", "deep": [{"sku": "x"}], "fixed": 1.5}


@pytest.mark.parametrize("where", [{"path": "/q/{skv}"}, {"path": "/q", "method": "POST", "body": {"a": "{skv}"}}])
def test_plan_unfilled_place_is_misuse(make_scenario: Any, where: dict[str, Any]) -> None:
    """A misspelt place is named, with what there is."""
    request = {"name": "q", "vary": {"sku": ["a"]}, **where}
    with pytest.raises(Misuse, match=r"nothing fills \{skv\}, expected one of its vary: sku"):
        plan(make_scenario(requests=[request]), seed=1)


@given(
    count=st.integers(0, 300),
    shares=st.lists(st.floats(0.01, 10), min_size=1, max_size=8),
    seed=st.integers(0, 100),
)
def test_balanced_never_strays_a_whole_request_from_the_shares(count: int, shares: list[float], seed: int) -> None:
    """At the end of every block each index has its share, rounded."""
    drawn = balanced(count, shares, draw=stream(seed, "x"))
    assert len(drawn) == count
    for upto in [*range(BLOCK, count, BLOCK), count]:
        counts = Counter(drawn[:upto])
        for index, share in enumerate(shares):
            assert abs(counts[index] - share / sum(shares) * upto) < 1 + 1e-6


def test_stream_names_are_independent() -> None:
    """Drawing from one stream does not move another."""
    alone = stream(1, "b").random()
    first = stream(1, "a")
    first.random()
    assert stream(1, "b").random() == alone
    assert stream(1, "a").random() != alone
