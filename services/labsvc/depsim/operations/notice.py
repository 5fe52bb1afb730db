"""`notice`: sends a customer the notice that a ticket has been received. Every answered call is a notice sent."""

import secrets
from typing import Any

from labsvc.depsim.operations import Answer, Call, Operation


def _make(seed: int) -> Answer:
    def answer(call: Call) -> dict[str, Any]:
        return {"job": call.key, "notice_ref": f"n-{secrets.token_hex(8)}", "sent_at_s": round(call.now_s, 3)}

    return answer


OPERATION = Operation("notice", _make)
