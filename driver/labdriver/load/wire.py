"""The bytes of every request: exactly the client's headers, plus Host, Connection and what a body needs.

Nothing in them tells the load tool from a real caller. Pure; built once from the job, asked once a request.
"""

from typing import Any


class Wire:
    """Requests of a job (see `drive._message`) as they go over the wire."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._target: list[str] = job["target"]
        self._body: list[str | None] = job["body"]
        self._request: list[int] = job["request"]
        self._client: list[int] = job["client"]
        self._frames = [
            [_frame(request, job["origins"][request["role"]], headers) for headers in job["clients"]]
            for request in job["requests"]
        ]

    def data(self, seq: int) -> bytes:
        """Request number `seq`."""
        start, end = self._frames[self._request[seq]][self._client[seq]]
        body = self._body[seq]
        target = self._target[seq].encode()
        if body is None:
            return start + target + end + b"\r\n"
        content = body.encode()
        return start + target + end + b"Content-Length: %d\r\n\r\n" % len(content) + content


def _frame(request: dict[str, Any], origin: dict[str, Any], headers: list[str]) -> tuple[bytes, bytes]:
    """What stands before and after the target; the empty line is still to come."""
    given = {line.partition(":")[0].lower() for line in headers}
    own = [f"Host: {origin['authority']}"]
    if request["has_body"]:
        own.append("Content-Type: application/json")
    lines = [line for line in own if line.partition(":")[0].lower() not in given] + headers
    if "connection" not in given:
        lines.append("Connection: keep-alive")
    end = "".join(f"{line}\r\n" for line in (" HTTP/1.1", *lines))
    return f"{request['method']} {origin['base']}".encode(), end.encode()
