"""Reading answers: right ones, broken ones, hostile ones; whatever the pieces they come in."""

from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labdriver.load.answer import MAX_BODY_BYTES, Answer, Cut, Garbage, read_answer
from labdriver.load.spool import KEEP_BYTES

PLAIN = b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a": 12}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n5;x=1\r\npedia\r\n0\r\nTrailer: t\r\n\r\n"


def pieces(parts: Iterable[bytes]) -> Callable[[], bytes]:
    """A connection that yields `parts` and then its end."""
    left = iter(parts)
    return lambda: next(left, b"")


def test_read_answer_content_length() -> None:
    """The usual case."""
    assert read_answer(pieces([PLAIN])) == Answer(200, b'{"a": 12}', 9, keep_alive=True)


@given(cuts=st.lists(st.integers(1, len(CHUNKED) - 1), unique=True), whole=st.sampled_from([PLAIN, CHUNKED]))
def test_read_answer_does_not_depend_on_the_pieces(cuts: list[int], whole: bytes) -> None:
    """However the bytes are cut, the answer is the same."""
    edges = [0, *sorted(c for c in cuts if c < len(whole)), len(whole)]
    parts = [whole[a:b] for a, b in pairwise(edges)]
    assert read_answer(pieces(parts)) == read_answer(pieces([whole]))


def test_read_answer_chunked_with_extension_and_trailer() -> None:
    """Chunks are joined; extensions and trailers are skipped."""
    assert read_answer(pieces([CHUNKED])) == Answer(200, b"Wikipedia", 9, keep_alive=True)


def test_read_answer_interim_answers_are_skipped() -> None:
    """103 and 100 come before the answer, they are not it."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    assert read_answer(pieces([interim + PLAIN])).status == 200


@pytest.mark.parametrize("status", [204, 304])
def test_read_answer_without_body(status: int) -> None:
    """These have no body whatever their headers say."""
    head = b"HTTP/1.1 %d Nothing\r\nContent-Length: 5\r\n\r\n" % status
    assert read_answer(pieces([head])) == Answer(status, b"", 0, keep_alive=True)


def test_read_answer_up_to_the_end_of_the_connection() -> None:
    """Without a length the end of the connection is the end of the body, and the connection is spent."""
    assert read_answer(pieces([b"HTTP/1.1 200 OK\r\n\r\nab", b"cd"])) == Answer(200, b"abcd", 4, keep_alive=False)


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close", False),
        (b"HTTP/1.1 200 OK\r\nCONNECTION: Keep-Alive, Close", False),
        (b"HTTP/1.0 200 OK", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive", True),
        (b"HTTP/1.1 200", True),
    ],
)
def test_read_answer_tells_whether_the_connection_lives_on(head: bytes, keep_alive: bool) -> None:
    """Version and Connection header decide."""
    assert read_answer(pieces([head + b"\r\nContent-Length: 0\r\n\r\n"])).keep_alive is keep_alive


def test_read_answer_with_more_than_was_announced_is_not_reused() -> None:
    """Bytes beyond the body would be taken for the next answer."""
    assert not read_answer(pieces([PLAIN + b"extra"])).keep_alive


def test_read_answer_long_body_is_counted_not_kept() -> None:
    """A body above the limit is read to its end and dropped."""
    body = b"{" * (KEEP_BYTES + 1)
    answer = read_answer(pieces([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body]))
    assert (answer.body, answer.length_bytes, answer.keep_alive) == (b"", KEEP_BYTES + 1, True)


def test_read_answer_endless_body_is_garbage() -> None:
    """A body without end is given up at the limit, not read for ever."""

    def receive() -> bytes:
        return next(parts)

    def flood() -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield b"x" * 1024 * 1024

    parts = iter(flood())
    with pytest.raises(Garbage, match="longer than"):
        read_answer(receive)


@pytest.mark.parametrize(
    "bad",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x01\x02",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 20000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 9,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000,
    ],
)
def test_read_answer_what_is_no_answer_is_garbage(bad: bytes) -> None:
    """None of these may pass, hang or raise anything else."""
    with pytest.raises(Garbage):
        read_answer(pieces([bad]))


@pytest.mark.parametrize("at", range(len(CHUNKED)))
def test_read_answer_cut_short_is_cut(at: int) -> None:
    """An answer that ends early is never taken for a whole one."""
    with pytest.raises(Cut):
        read_answer(pieces([CHUNKED[:at]]))


@given(st.binary(max_size=400))
def test_read_answer_any_bytes_end_in_an_answer_or_a_named_error(data: bytes) -> None:
    """Random bytes behind a plausible start raise Cut or Garbage or are an answer, nothing else."""
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        try:
            answer = read_answer(pieces([start + data]))
        except (Cut, Garbage):
            continue
        assert answer.status >= 200
