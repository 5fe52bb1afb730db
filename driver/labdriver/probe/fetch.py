"""GET with a deadline for the whole answer, over a connection that is kept. Standard library only, no proxies."""

import http.client
import time
from urllib.parse import urlsplit

MAX_BYTES = 4 * 1024 * 1024


class Unreachable(Exception):
    """No whole answer 200 within the deadline."""


class Fetcher:
    """Gets pages of one server. Not for several threads at once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._base = parts.path.rstrip("/")
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str, *, within_s: float) -> str:
        """The body of `path`. Raises Unreachable."""
        until_s = time.monotonic() + within_s
        is_reused = self._connection is not None
        try:
            return self._get(path, until_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            if not is_reused or time.monotonic() >= until_s:
                raise Unreachable(f"{self._host}:{self._port}{path}: {error}") from error
        try:  # the kept connection may have been closed meanwhile
            return self._get(path, until_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unreachable(f"{self._host}:{self._port}{path}: {error}") from error

    def _get(self, path: str, until_s: float) -> str:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=_left_s(until_s))
        connection = self._connection
        if connection.sock is not None:
            connection.sock.settimeout(_left_s(until_s))
        connection.request("GET", self._base + path)
        response = connection.getresponse()
        parts: list[bytes] = []
        while part := response.read1(65536):
            parts.append(part)
            if sum(map(len, parts)) > MAX_BYTES:
                raise ValueError(f"the page is longer than {MAX_BYTES} bytes")
            if connection.sock is not None:
                connection.sock.settimeout(_left_s(until_s))
        response.close()  # read1 leaves it open at its end, and the connection would refuse the next request
        if response.status != 200:
            raise ValueError(f"status {response.status}")
        return b"".join(parts).decode(errors="replace")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _left_s(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("no answer in time")
    return left_s
