"""`payment`: takes the money for an order.

With an `Idempotency-Key` header, a second call for the same order and key is answered with the first payment and
`replayed: true`; without it, every answered call is a payment of its own. State is bounded: the oldest keys go first.
"""

import secrets
from typing import Any

from labsvc.depsim.operations import Answer, Call, Operation

REMEMBERED_KEYS = 100_000


def _make(seed: int) -> Answer:
    taken: dict[tuple[str, str], dict[str, Any]] = {}

    def answer(call: Call) -> dict[str, Any]:
        idempotency_key = call.headers.get("idempotency-key", "")
        known = taken.get((call.key, idempotency_key)) if idempotency_key else None
        if known is not None:
            return {**known, "replayed": True}
        payment = {
            "order": call.key,
            "payment_ref": f"p-{secrets.token_hex(8)}",
            "amount_cents": (call.body or {}).get("amount_cents"),
            "currency": "USD",
            "idempotency_key": idempotency_key or None,
            "taken_at_s": round(call.now_s, 3),
        }
        if idempotency_key:
            taken[call.key, idempotency_key] = payment
            if len(taken) > REMEMBERED_KEYS:
                taken.pop(next(iter(taken)))
        return {**payment, "replayed": False}

    return answer


OPERATION = Operation("payment", _make)
