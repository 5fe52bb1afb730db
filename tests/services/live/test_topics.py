"""Topics: what is one, what it wants, and that equal wishes become equal keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labsvc.errors import Misuse
from labsvc.live.topics import parse

STREAMS = ("orders.placed", "orders.shipped.late", "tickets.opened", "orders", "order.placed")
TOPICS = ("*", "orders.*", "orders.shipped.*", "orders.placed", "tickets.opened", "order.*", "orders")


@pytest.mark.parametrize(
    ("topic", "wanted"),
    [
        ("*", set(STREAMS)),
        ("orders.*", {"orders.placed", "orders.shipped.late"}),
        ("orders.shipped.*", {"orders.shipped.late"}),
        ("orders.placed", {"orders.placed"}),
        ("order.*", {"order.placed"}),
        ("nothing.*", set()),
    ],
)
def test_topic_wants_its_streams(topic: str, wanted: set[str]) -> None:
    """A star wants all, a prefix what is below it, a name itself."""
    assert wanted == {stream for stream in STREAMS if parse([topic]).match(stream)}


@pytest.mark.parametrize("wrong", ["", "Orders.*", "a..b", "a.*.b", "a*", "<b>", "a" * 101, 7, None, ".a", "a."])
def test_wrong_topic_is_refused_by_name(wrong: object) -> None:
    """What is no topic is named in the error."""
    with pytest.raises(Misuse, match="expected"):
        parse(["orders.*", wrong])


@pytest.mark.parametrize("count", [0, 65])
def test_number_of_topics_is_bounded(count: int) -> None:
    """No topics, or too many, are refused."""
    with pytest.raises(Misuse, match=f"{count} topics"):
        parse([f"a{n}" for n in range(count)])


@given(st.lists(st.sampled_from(TOPICS), min_size=1, max_size=6), st.sampled_from(STREAMS))
def test_smallest_form_wants_the_same(given_topics: list[str], stream: str) -> None:
    """Leaving covered topics out changes nothing of what is wanted."""
    whole = any(parse([topic]).match(stream) for topic in given_topics)
    assert whole == parse(given_topics).match(stream)


def test_same_wish_is_the_same_key() -> None:
    """Order, doubles and covered topics make no difference."""
    assert parse(["orders.placed", "*"]) == parse(["*", "*"]) == parse(["*"])
    assert parse(["orders.*", "orders.placed", "a"]) == parse(["a", "orders.*"])
