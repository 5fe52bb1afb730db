"""The ledger counts everything and holds a bounded number of calls."""

from labsvc.depsim.ledger import Ledger


def opened(ledger: Ledger, calls: int) -> None:
    for n in range(calls):
        entry = ledger.open(call_id=f"c{n}", operation="pricing", key="k", phase="p", at_s=n)
        ledger.close(entry, outcome="answered", done_s=n + 0.5, answer={"n": n})


def test_pages_follow_each_other_without_gap() -> None:
    """`after` is the number of the last call of the page before."""
    ledger = Ledger()
    opened(ledger, 7)
    first = [entry.n for entry in ledger.after(0, limit=4)]
    assert (first, [entry.n for entry in ledger.after(first[-1], limit=4)]) == ([1, 2, 3, 4], [5, 6, 7])


def test_a_full_ledger_drops_the_oldest_and_says_so() -> None:
    """Counts stay whole."""
    ledger = Ledger(limit_calls=5)
    opened(ledger, 8)
    assert [entry.n for entry in ledger.after(0, limit=100)] == [4, 5, 6, 7, 8]
    assert (ledger.total, ledger.dropped, ledger.counts["pricing"].answered) == (8, 3, 8)


def test_a_held_call_shows_its_fault_while_it_is_held() -> None:
    """A hang has landed before it ends."""
    ledger = Ledger()
    entry = ledger.open(call_id="c", operation="pricing", key="k", phase="p", at_s=1)
    ledger.injected(entry, "hang")
    assert (entry.outcome, entry.done_s) == ("hang", None)
    assert ledger.counts["pricing"].as_json() == {
        "received": 1,
        "answered": 0,
        "abandoned": 0,
        "in_flight": 1,
        "injected": {"hang": 1},
    }


def test_the_live_business_is_counted_apart_and_marked() -> None:
    """Its calls stand in the ledger with their mark, and in counts of their own."""
    ledger = Ledger()
    opened(ledger, 2)
    entry = ledger.open(call_id="b", operation="pricing", key="k", phase="p", at_s=1, traffic="background")
    ledger.injected(entry, "error")
    ledger.close(entry, outcome="error", done_s=2, answer=None)
    assert [told.as_json()["traffic"] for told in ledger.after(0, limit=9)] == ["load", "load", "background"]
    assert (ledger.counts["pricing"].received, ledger.counts["pricing"].injected) == (2, {})
    assert (ledger.background["pricing"].received, ledger.background["pricing"].injected) == (1, {"error": 1})
