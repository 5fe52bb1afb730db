"""Whose request is at work: the load's, which the rules judge, or the live business's, which no rule counts.

    caller ──x-lab-traffic: background──▶ health.py sets it for the request ──▶ clients.py passes it on ──▶ depsim …
                                                                          └──▶ jobs/ keeps it with a job

Lab code needs to know nothing of it, and can neither lose nor invent it. Knows no server and no client.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "x-lab-traffic"
BACKGROUND = "background"  # the header's value; everything else is the load
LOAD = "load"
ABOUT = "traffic"  # where a job that is kept says so

_is_background: ContextVar[bool] = ContextVar("labsvc.traffic", default=False)


def is_background() -> bool:
    """True while what runs here is done for the live business."""
    return _is_background.get()


@contextmanager
def marked(is_background: bool) -> Iterator[None]:
    """What runs inside, and the tasks it starts, is done for the live business, or is not."""
    token = _is_background.set(is_background)
    try:
        yield
    finally:
        _is_background.reset(token)


def says_background(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """True when the headers of an ASGI scope carry the mark."""
    wanted = (HEADER.encode(), BACKGROUND.encode())
    return any((name.lower(), value.strip().lower()) == wanted for name, value in headers)
