"""One file an operation of the dependency. `OPERATION` makes its state and answers calls.

    answer(Call) -> dict     the true answer as of `call.now_s`, a JSON object

To add one, copy `pricing.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """What an operation sees of a call."""

    key: str  # what the call is about: a SKU, an order
    headers: Mapping[str, str]  # names in lower case
    body: Mapping[str, Any] | None
    now_s: float  # epoch


Answer = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True)
class Operation:
    """One thing that the dependency can do. `make(seed)` gives the answering function with fresh state."""

    name: str
    make: Callable[[int], Answer]
