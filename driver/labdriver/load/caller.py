"""A Locust user that holds one connection and sleeps until the dispatcher has a request for it.

    dispatch.py ──wake(seq)──▶ Caller ──▶ connection.py
                                  └──▶ Locust's request event ──▶ tally.py

Woken, never spawned per request. How long a request took counts from its intended start; what the service alone
took stands beside it in the event's context. Only the load child imports this.
"""

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gevent
from locust import User, task
from locust.env import Environment

from labdriver.load.answer import Answer, Cut, Garbage
from labdriver.load.connection import Address, ConnectFailed, Connection
from labdriver.load.tally import Tally
from labdriver.load.wire import Wire


@dataclass(frozen=True)
class Work:
    """What all callers share."""

    wire: Wire
    tally: Tally
    due_mono_s: Sequence[float]  # by seq
    kinds: Sequence[dict[str, Any]]  # of requests: name, method
    kind_of: Sequence[int]  # by seq


class Caller(User):
    """One connection to one role. Puts itself on top of `idle` whenever it has nothing to do."""

    def __init__(
        self, environment: Environment, work: Work, addresses: Sequence[Address], idle: list["Caller"]
    ) -> None:
        super().__init__(environment)
        self._hub = gevent.get_hub()
        self._work = work
        self._idle = idle
        self._seq: int | None = None
        self._parked: gevent.Greenlet | None = None
        self.connection = Connection(self._hub, addresses)

    def wake(self, seq: int) -> None:
        """Have request `seq` sent in this turn of the loop."""
        self._seq = seq
        if self._parked is not None:
            self._hub.loop.run_callback(self._parked.switch)
            self._parked = None

    @task
    def serve(self) -> None:
        """Send what `wake` brings, for ever."""
        while True:
            if self._seq is None:
                self._parked = gevent.getcurrent()
                self._hub.switch()
            else:
                seq, self._seq = self._seq, None
                self._one(seq)
                self._idle.append(self)

    def _one(self, seq: int) -> None:
        """Send one request and tell how it ended, whatever happens."""
        work = self._work
        kind = work.kinds[work.kind_of[seq]]
        sent_s = time.monotonic()
        work.tally.started(seq, sent_s)
        answer: Answer | None = None
        failure: Exception | None = None
        error = ""
        try:
            answer = self.connection.call(work.wire.data(seq), repeatable=kind["method"] == "GET")
        except ConnectFailed as why:
            error, failure = "connect", why
        except (Cut, OSError) as why:
            error, failure = "reset", why
        except Garbage as why:
            error, failure = "protocol", why
        except Exception as why:  # a fault of ours must not lose the row
            traceback.print_exc()
            error, failure = "protocol", why
        done_s = time.monotonic()
        self.environment.events.request.fire(
            request_type=kind["method"],
            name=kind["name"],
            response_time=(done_s - work.due_mono_s[seq]) * 1e3,
            response_length=answer.length_bytes if answer else 0,
            exception=failure,
            context={
                "seq": seq,
                "intended": work.due_mono_s[seq],
                "sent": sent_s,
                "done": done_s,
                "service_ms": (done_s - sent_s) * 1e3,
                "status": answer.status if answer else 0,
                "error": error,
                "body": answer.body if answer and answer.body.startswith(b"{") else b"",
            },
        )
