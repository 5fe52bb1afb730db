"""One question a connection, one JSON line each way, over 127.0.0.1 with the token of `.lab/stack.json`.

{"token": …, "op": "status"}                              → {"ok": true, …the state}
{"token": …, "op": "roll", "role": "api", "deadline_s"}   → {"ok": true, "still_broken": {lab: why}}
{"token": …, "op": "scaling"}                             → {"ok": true, "targets": […ScaledTarget]}
{"token": …, "op": "unscale"}                             → {"ok": true}
{"token": …, "op": "restart", "name": "api-1"}            → {"ok": true}
{"token": …, "op": "stop"}                                → {"ok": true}, then the supervisor ends
anything that fails                                       → {"ok": false, "kind": "misuse", "error", "next_step"}
"""

import json
import socket
from collections.abc import Mapping
from typing import Any

from labdriver.errors import EnvironmentFault, LabError, Misuse
from labdriver.stack.local.ports import HOST

KINDS: Mapping[str, type[LabError]] = {"misuse": Misuse, "environment": EnvironmentFault}
LINE_LIMIT_BYTES = 1_048_576


class NoAnswer(Exception):
    """The supervisor did not answer: it is gone, stopped, or busy beyond the timeout."""


def ask(port: int, token: str, op: str, *, timeout_s: float = 1.0, **params: Any) -> dict[str, Any]:
    """Put one question. Raises NoAnswer, or the error that the supervisor tells."""
    question = json.dumps({"token": token, "op": op, **params}) + "\n"
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s) as connection:
            connection.sendall(question.encode())
            with connection.makefile("r", encoding="utf-8") as lines:
                answer: dict[str, Any] = json.loads(lines.readline(LINE_LIMIT_BYTES))
        if not isinstance(answer, dict):
            raise ValueError("no supervisor listens there any more")
    except (OSError, ValueError) as error:
        raise NoAnswer(f"{op}: {error or type(error).__name__}") from error
    if not answer.get("ok"):
        kind = KINDS.get(answer.get("kind", ""), EnvironmentFault)
        raise kind(answer.get("error", "the supervisor gave no reason"), next_step=answer.get("next_step", ""))
    return answer


def told(error: LabError) -> dict[str, Any]:
    """An error as the line that carries it."""
    kind = next((name for name, known in KINDS.items() if isinstance(error, known)), "environment")
    return {"ok": False, "kind": kind, "error": error.message, "next_step": error.next_step}
