"""A lab's own tables, by the two routes of its given code: put into their first state, read back after the run."""

from typing import Any

import httpx

from labdriver.errors import EnvironmentFault

TIMEOUT_S = 15.0  # a lab may wait five seconds for what a run before has left


def prepare(url: str) -> None:
    """POST to the lab's prepare route. Raises EnvironmentFault when it is not answered with 2xx."""
    _json("POST", url)


def read(url: str) -> dict[str, Any]:
    """What the database recorded. Raises EnvironmentFault when the service cannot tell."""
    return _json("GET", url)


def _json(method: str, url: str) -> dict[str, Any]:
    try:
        answer = httpx.request(method, url, timeout=TIMEOUT_S, trust_env=False)
        answer.raise_for_status()
        document: dict[str, Any] = answer.json() if answer.content else {}
        return document
    except httpx.HTTPStatusError as error:
        told = error.response.text[:200]
        raise EnvironmentFault(f"{method} {url} failed: {told}", next_step="make reset, then make dev") from error
    except (httpx.HTTPError, ValueError) as error:
        raise EnvironmentFault(
            f"{method} {url} was not answered ({type(error).__name__})", next_step="make smoke"
        ) from error
