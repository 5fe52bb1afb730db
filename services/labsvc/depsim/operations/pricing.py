"""`pricing`: what a modular home costs at this second.

The price moves every second and every answer has a reference of its own, so that a price which was invented or kept
never matches the ledger. `priced_at_s` is the moment of the answer.
"""

import hashlib
import secrets
from typing import Any

from labsvc.depsim.operations import Answer, Call, Operation

CURRENCY = "USD"
BASE_CENTS = 8_000_000  # the cheapest home
SPREAD_CENTS = 24_000_000  # between the cheapest and the dearest
MOVE_CENTS = 400_000  # how far a price moves from second to second


def _make(seed: int) -> Answer:
    def answer(call: Call) -> dict[str, Any]:
        base_cents = BASE_CENTS + _number(f"{seed}/{call.key}") % SPREAD_CENTS
        moved_cents = _number(f"{seed}/{call.key}/{int(call.now_s)}") % MOVE_CENTS
        return {
            "sku": call.key,
            "price_cents": base_cents + moved_cents,
            "currency": CURRENCY,
            "price_ref": f"q-{secrets.token_hex(8)}",
            "priced_at_s": round(call.now_s, 3),
        }

    return answer


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest())


OPERATION = Operation("pricing", _make)
