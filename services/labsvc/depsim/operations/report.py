"""`report`: gathers what a warranty report needs to say. Takes seconds by its script, and hands out a reference."""

import hashlib
import secrets
from typing import Any

from labsvc.depsim.operations import Answer, Call, Operation

FEWEST_PAGES = 12
MOST_PAGES = 60


def _make(seed: int) -> Answer:
    def answer(call: Call) -> dict[str, Any]:
        digest = hashlib.blake2b(f"{seed}/{call.key}".encode(), digest_size=4).digest()
        pages = FEWEST_PAGES + int.from_bytes(digest) % (MOST_PAGES - FEWEST_PAGES + 1)
        return {
            "job": call.key,
            "report_ref": f"r-{secrets.token_hex(8)}",
            "pages": pages,
            "written_at_s": round(call.now_s, 3),
        }

    return answer


OPERATION = Operation("report", _make)
