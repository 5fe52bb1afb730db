"""Rates: factors that can be read, bounds that hold, integrals that add up."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsvc.sim.instant import DAY_US, HOUR_US, instant_us
from labsvc.sim.rate import Calendar, Period, Rate, TimeOfDay, Trend, Weekday

DAY = TimeOfDay(((0, 0.2), (8, 1.0), (13, 1.8), (22, 0.4)))
WEEK = Weekday((1.0, 1.0, 1.0, 1.0, 1.1, 1.4, 0.7))
SEASONS = Calendar(
    (
        Period("exams", date(2026, 5, 1), date(2026, 5, 31), 1.5, yearly=True),
        Period("winter", date(2026, 12, 20), date(2026, 1, 5), 0.5, yearly=True),
        Period("opening", date(2026, 5, 10), date(2026, 5, 12), 2.0),
    )
)
GROWTH = Trend(0.03, since=datetime(2026, 1, 1, tzinfo=UTC))
RATE = Rate(40, (DAY, WEEK, SEASONS, GROWTH))
INSTANTS = st.integers(instant_us(datetime(2025, 1, 1)), instant_us(datetime(2027, 12, 31)))


def at(*when: int) -> int:
    return instant_us(datetime(*when, tzinfo=UTC))  # type: ignore[misc,arg-type]


@given(INSTANTS, st.floats(0, 1))
def test_a_bound_holds_until_it_says(from_us: int, share: float) -> None:
    """No instant of a segment has a higher rate than its bound (rounding: 1e-9)."""
    most, until_us = RATE.bound(from_us)
    assert from_us < until_us <= from_us + DAY_US
    assert RATE.at(from_us + int(share * (until_us - 1 - from_us))) <= most * (1 + 1e-9)


@given(INSTANTS)
def test_the_rate_is_the_product_of_its_parts(at_us: int) -> None:
    """What a page shows as reasons is what is used."""
    product = 1.0
    for factor in RATE.parts(at_us).values():
        product *= factor
    assert RATE.at(at_us) == pytest.approx(product)


@pytest.mark.parametrize(
    ("when", "factor"),
    [((2026, 3, 2, 8), 1.0), ((2026, 3, 2, 4), 0.6), ((2026, 3, 2, 23), 0.3), ((2026, 3, 2, 0), 0.2)],
)
def test_the_day_curve_is_straight_between_points_and_over_midnight(when: tuple[int, ...], factor: float) -> None:
    """At a point, half way between two, and half way from the last one round to the first."""
    assert DAY.at(at(*when)) == pytest.approx(factor)


def test_a_region_has_its_own_clock() -> None:
    """8 o'clock at UTC+2 is 6 o'clock UTC."""
    assert TimeOfDay(DAY.points, utc_offset_h=2).at(at(2026, 3, 2, 6)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("when", "factor"),
    [
        ((2026, 4, 30, 23), 1.0),
        ((2026, 5, 1), 1.5),
        ((2031, 5, 31, 23), 1.5),
        ((2026, 5, 11), 3.0),
        ((2027, 5, 11), 1.5),
        ((2026, 12, 31), 0.5),
        ((2027, 1, 5, 23), 0.5),
        ((2027, 1, 6), 1.0),
    ],
)
def test_the_calendar_knows_years_and_overlaps(when: tuple[int, ...], factor: float) -> None:
    """Yearly periods come back, also over New Year; overlapping ones multiply."""
    assert SEASONS.at(at(*when)) == pytest.approx(factor)


def test_growth_compounds_by_thirty_days() -> None:
    """3 % a month: 1 at its start, 1.0609 after two months."""
    assert GROWTH.at(at(2026, 1, 1)) == 1
    assert GROWTH.at(at(2026, 3, 2)) == pytest.approx(1.03**2)


def test_expected_is_the_integral() -> None:
    """Against a sum over 10-second steps, to a part in a million; and it adds up over a cut."""
    from_us, until_us = at(2026, 5, 8, 7, 30), at(2026, 5, 9, 1, 12)
    steps = range(from_us + 5_000_000, until_us, 10_000_000)
    assert RATE.expected(from_us, until_us) == pytest.approx(sum(RATE.at(t) for t in steps) / 360, rel=1e-6)
    cut_us = from_us + 5 * HOUR_US + 17
    parts = RATE.expected(from_us, cut_us) + RATE.expected(cut_us, until_us)
    assert parts == pytest.approx(RATE.expected(from_us, until_us))
