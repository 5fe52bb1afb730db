"""One probe of each public port, as a user would reach it. Sees the stack by HTTP only."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from labdriver.settings import DEFAULT_PORTS
from labdriver.stack.runtime import Runtime


@dataclass(frozen=True)
class Probe:
    """What one role answered."""

    role: str
    url: str
    ok: bool
    told: str  # "ready in 4 ms", or why not


def probe(runtime: Runtime, *, timeout_s: float = 2.5) -> list[Probe]:
    """Ask every role for `/readyz` at its public address, all at once; at most `timeout_s` altogether."""
    with ThreadPoolExecutor(len(DEFAULT_PORTS)) as pool:
        return list(pool.map(lambda role: _ask(role, runtime.url(role), timeout_s), DEFAULT_PORTS))


def _ask(role: str, url: str, timeout_s: float) -> Probe:
    started_s = time.monotonic()
    try:
        # trust_env off: a proxy of the venue must never be asked for 127.0.0.1
        answer = httpx.get(f"{url}/readyz", timeout=timeout_s, trust_env=False)
    except httpx.HTTPError as error:
        return Probe(role, url, ok=False, told=f"no answer ({type(error).__name__})")
    took_ms = (time.monotonic() - started_s) * 1000
    if answer.status_code == 200:
        return Probe(role, url, ok=True, told=f"ready in {took_ms:.0f} ms")
    try:
        missing = "; ".join(answer.json().get("missing", []))
    except ValueError:
        missing = answer.text[:120]
    return Probe(role, url, ok=False, told=f"status {answer.status_code}: {missing or 'not ready'}")
