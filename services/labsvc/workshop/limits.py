"""How often one address may do what could be abused: guessing codes and tokens, joining in bulk."""

import math
from collections.abc import Callable

from labsvc.rest import Refused

ADDRESSES_LIMIT = 10_000
MINUTE_S = 60.0


class Limit:
    """At most `per_minute` in any minute for each address, refilled steadily."""

    def __init__(self, what: str, per_minute: int, monotonic_s: Callable[[], float]) -> None:
        self._what = what
        self._per_minute = per_minute
        self._monotonic_s = monotonic_s
        self._spent: dict[str, tuple[float, float]] = {}  # address → what is spent, and when that was true

    def check(self, address: str) -> None:
        """Raises Refused (429) when an address has spent its share."""
        spent = self._now(address)
        if spent >= self._per_minute:
            wait_s = (spent - self._per_minute + 1) * MINUTE_S / self._per_minute
            told = f"too many {self._what} from your address; wait {math.ceil(wait_s)} s"
            raise Refused(429, told, retry_after_s=wait_s)

    def spend(self, address: str) -> None:
        """Count one."""
        if len(self._spent) >= ADDRESSES_LIMIT:
            self._spent = {known: self._spent[known] for known in self._spent if self._now(known) > 0}
        self._spent[address] = (self._now(address) + 1, self._monotonic_s())

    def _now(self, address: str) -> float:
        spent, at_s = self._spent.get(address, (0.0, 0.0))
        return max(0.0, spent - (self._monotonic_s() - at_s) * self._per_minute / MINUTE_S)
