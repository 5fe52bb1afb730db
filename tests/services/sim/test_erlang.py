"""The formulas against each other and against published values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsvc.errors import Misuse
from labsvc.sim.erlang import cobham, erlang_a, erlang_b, erlang_c, servers_needed


def test_erlang_b_is_its_sum() -> None:
    """The recursion is the textbook's fraction: 10 servers, 7 Erlang."""
    terms = [7**k / math.factorial(k) for k in range(11)]
    assert erlang_b(10, 7) == pytest.approx(terms[-1] / sum(terms))


@pytest.mark.parametrize(
    ("servers", "load_erl", "wait_ratio", "mean_wait_s", "level"),
    [(10, 7, 0.2217, 22.17, 0.8185), (20, 16, 0.2561, 19.21, 0.8039), (100, 90, 0.21694, 6.508, 0.88862)],
)
def test_erlang_c_has_its_known_values(
    servers: int, load_erl: float, wait_ratio: float, mean_wait_s: float, level: float
) -> None:
    """Values that independent calculators give, to their digits."""
    found = erlang_c(servers, load_erl, service_s=300)
    assert found[:3] == pytest.approx((wait_ratio, mean_wait_s, level), rel=3e-4)


@given(st.integers(1, 60), st.floats(0.1, 0.97))
def test_endless_patience_is_erlang_c(servers: int, load_ratio: float) -> None:
    """Erlang A with a patience of 3,000 years."""
    load_erl = servers * load_ratio
    patient = erlang_a(servers, load_erl, service_s=300, patience_s=1e11)
    waiting = erlang_c(servers, load_erl, service_s=300)
    assert patient[:3] == pytest.approx(waiting[:3], rel=1e-4, abs=1e-7)


@given(st.integers(1, 60), st.floats(0.2, 2))
def test_no_patience_is_erlang_b(servers: int, load_ratio: float) -> None:
    """Who hangs up at once is lost when all are busy, and only then."""
    load_erl = servers * load_ratio
    impatient = erlang_a(servers, load_erl, service_s=300, patience_s=0.01)
    blocked = erlang_b(servers, load_erl)
    assert impatient.abandoned_ratio == pytest.approx(blocked, rel=1e-3, abs=1e-9)
    assert impatient.service_level_ratio == pytest.approx(1 - blocked, rel=1e-3)


@given(st.integers(1, 40), st.floats(0.2, 1.5), st.floats(20, 900))
def test_erlang_a_balances(servers: int, load_ratio: float, patience_s: float) -> None:
    """With patience equal to service the system is M/M/infinity: the number in it is Poisson."""
    load_erl = servers * load_ratio
    same = erlang_a(servers, load_erl, service_s=patience_s, patience_s=patience_s)
    at_least = 1 - sum(math.exp(-load_erl + k * math.log(load_erl) - math.lgamma(k + 1)) for k in range(servers))
    assert same.wait_ratio == pytest.approx(at_least, abs=1e-9)


def test_equal_classes_of_cobham_average_to_erlang_c() -> None:
    """Priorities move waits between classes, never the mean."""
    waits = cobham(10, [2, 2, 2, 2], service_s=300)
    assert sum(waits) / 4 == pytest.approx(erlang_c(10, 8, service_s=300).mean_wait_s)
    assert waits == sorted(waits)


def test_servers_needed_is_the_fewest() -> None:
    """One less would miss 80 % in 20 s."""
    count = servers_needed(90, service_s=300, target_s=20, level_ratio=0.8)
    levels = [erlang_c(n, 90, service_s=300).service_level_ratio for n in (count - 1, count)]
    assert levels[0] < 0.8 <= levels[1]


def test_too_much_load_is_refused() -> None:
    """Negative waits, which some calculators give, are no answer."""
    with pytest.raises(Misuse, match="expected less than the 10 servers"):
        erlang_c(10, 10, service_s=300)
