"""Maintenance of the api, as it tells itself: a run does not begin while everybody is turned away.

    run.py ──wait()──▶ GET /readyz ──▶ {"maintenance": {"left_s", "why"} | null}

Begins and ends none; that is the facilitator's.
"""

import time
from dataclasses import dataclass

import httpx

from labdriver.errors import EnvironmentFault
from labdriver.stack.runtime import Say

TIMEOUT_S = 2.0  # for one answer
POLL_S = 0.25
CLEAR_LOOKS = 3  # in a row: every replica has looked by then
SAY_EVERY_S = 10.0


@dataclass(frozen=True)
class Lasting:
    """Maintenance that is on."""

    left_s: float
    why: str


def lasting(url: str) -> Lasting | None:
    """What the api at `url` tells; None when there is none, or no answer that says so."""
    try:
        told = httpx.get(f"{url}/readyz", timeout=TIMEOUT_S, trust_env=False).json()["maintenance"]
        return Lasting(float(told["left_s"]), str(told["why"])) if told else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


def wait(url: str, *, within_s: float, say: Say) -> None:
    """Return once there is no maintenance. Raises EnvironmentFault when it outlasts `within_s`."""
    found = lasting(url)
    if found is None:
        return
    until_s, told_s, clear = time.monotonic() + within_s, 0.0, 0
    while clear < CLEAR_LOOKS:
        now_s = time.monotonic()
        if found is not None and now_s > until_s:
            raise EnvironmentFault(
                f"the api is in maintenance for another {found.left_s:.0f} s ({found.why}), longer than "
                f"LAB_READY_TIMEOUT_S={within_s:g}",
                next_step="wait for its end, or ask the facilitator to end it",
            )
        if found is not None and now_s - told_s > SAY_EVERY_S:
            say(f"the api is in maintenance ({found.why}): waiting for its end in {found.left_s:.0f} s")
            told_s = now_s
        clear = 0 if found else clear + 1
        time.sleep(POLL_S)
        found = lasting(url)
