"""What the roles say of themselves at their public addresses. Sees the stack by HTTP only."""

import http.client
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from labdriver.errors import EnvironmentFault

ASK_S = 1.0
DELETE_S = 5.0

Page = dict[str, Any]


def ask(urls: Mapping[str, str]) -> dict[str, Page]:
    """Role → its `/readyz`, all asked at once; {} where there is no answer."""
    if not urls:
        return {}
    with ThreadPoolExecutor(len(urls)) as pool:
        return dict(zip(urls, pool.map(_page, urls.values()), strict=True))


def silent(urls: Mapping[str, str]) -> list[str]:
    """Roles that do not say that they are ready, with why."""
    pages = ask(urls)
    return [
        f"{role}: {'; '.join(pages[role].get('missing', [])) or f'{url} does not answer'}"
        for role, url in urls.items()
        if not pages[role].get("ready")
    ]


def labs(urls: Mapping[str, str]) -> dict[str, dict[str, str | None]]:
    """Lab → {"code", "error"} as it is served now."""
    return {lab: one for page in ask(urls).values() for lab, one in page.get("labs", {}).items()}


def delete(url: str) -> None:
    """`DELETE url`. Raises EnvironmentFault when it was not done."""
    split = urlsplit(url)
    connection = http.client.HTTPConnection(split.netloc, timeout=DELETE_S)
    try:
        connection.request("DELETE", split.path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        raise EnvironmentFault(f"{url} did not answer ({type(error).__name__})", next_step="make up") from error
    finally:
        connection.close()
    if status >= 400:
        raise EnvironmentFault(f"{url} answered {status}", next_step="make up")


def _page(url: str) -> Page:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=ASK_S)
    try:
        connection.request("GET", "/readyz")
        page = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return page if isinstance(page, dict) else {}
