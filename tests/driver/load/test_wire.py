"""The bytes of requests: the client's headers and nothing that marks the load tool."""

from typing import Any

import pytest

from labdriver.errors import Misuse
from labdriver.load.drive import Job, _message
from labdriver.load.plan import plan
from labdriver.load.wire import Wire

ORDER = {"name": "order", "method": "POST", "path": "/orders", "body": {"sku": "oak", "note": "größer"}}


def wire(scenario: Any, url: str = "http://127.0.0.1:8080") -> Wire:
    return Wire(_message(Job(scenario, plan(scenario, seed=1), {"api": url})))


def test_data_is_the_clients_headers_host_and_connection(make_scenario: Any) -> None:
    """Nothing else: no id, no library's name."""
    expected = (
        b"GET /quotes/oak HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: Phone/1.0\r\nConnection: keep-alive\r\n\r\n"
    )
    assert wire(make_scenario()).data(0) == expected


def test_data_of_a_body_has_its_length_in_bytes(make_scenario: Any) -> None:
    """The JSON comes with type and length."""
    head, _, body = wire(make_scenario(requests=[ORDER])).data(0).partition(b"\r\n\r\n")
    assert body == b'{"sku":"oak","note":"gr\\u00f6\\u00dfer"}'
    assert b"Content-Type: application/json" in head
    assert b"Content-Length: %d" % len(body) in head


def test_data_keeps_a_base_path_and_the_clients_own_headers(make_scenario: Any) -> None:
    """An address below a path works; a client that closes or names its own type is let be."""
    headers = {"connection": "close", "Content-Type": "application/vnd.order+json"}
    scenario = make_scenario(requests=[ORDER], clients=[{"name": "odd", "share_ratio": 1, "headers": headers}])
    data = wire(scenario, "http://localhost/shop/").data(0)
    assert data.startswith(b"POST /shop/orders HTTP/1.1\r\nHost: localhost\r\n")
    assert data.lower().count(b"connection:") == data.lower().count(b"content-type:") == 1


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "127.0.0.1:8080", "http://", "http://host:99999", ""])
def test_address_that_cannot_be_used_is_misuse(make_scenario: Any, url: str) -> None:
    """The address and what was expected are named."""
    with pytest.raises(Misuse, match="expected http://host:port"):
        wire(make_scenario(), url)


def test_header_that_would_break_the_request_is_misuse(make_scenario: Any) -> None:
    """A line break in a header would smuggle in another one."""
    clients = [{"name": "bad", "share_ratio": 1, "headers": {"X": "a\r\nY: b"}}]
    with pytest.raises(Misuse, match="client bad"):
        wire(make_scenario(clients=clients))
