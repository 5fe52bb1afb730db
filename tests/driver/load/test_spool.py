"""The load process's account in bytes: readable up to wherever it was cut."""

import pytest

from labdriver.load import spool
from labdriver.load.spool import Entry

DONE = spool.finished(7, 12.5, status=200, error="", body=b'{"a":1}')


def test_read_gives_back_what_was_written() -> None:
    """Sent, ended with an answer, ended with an error."""
    data = spool.started(7, 12.25) + spool.started(8, 12.5) + DONE + spool.started(9, 13.0)
    data += spool.finished(9, 14.0, status=0, error="connect", body=b"")
    assert spool.read(data) == {
        7: Entry(12.25, 12.5, 200, "", b'{"a":1}'),
        8: Entry(12.5),
        9: Entry(13.0, 14.0, 0, "connect", b""),
    }


@pytest.mark.parametrize("cut", range(1, len(DONE)))
def test_read_leaves_out_a_last_entry_cut_short(cut: int) -> None:
    """A process killed while it wrote: the request counts as sent and not answered."""
    assert spool.read(spool.started(7, 12.25) + DONE[:cut]) == {7: Entry(12.25)}


def test_read_leaves_out_a_cut_start() -> None:
    """The same for the entry of a sending."""
    assert spool.read(DONE[:0] + spool.started(1, 2.0)[:-1]) == {}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (spool.started(1, 1.0) * 2, "sent twice"),
        (spool.started(7, 1.0) + DONE * 2, "ended twice"),
        (DONE, "before it was sent"),
        (b"?", "starts no entry"),
    ],
)
def test_read_contradictions_are_errors(data: bytes, why: str) -> None:
    """An account that contradicts itself is never turned into rows."""
    with pytest.raises(ValueError, match=why):
        spool.read(data)
