"""The generator over the wire: doors, shapes, WebSocket, and what a kill -9 leaves behind."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.services.live.conftest import Generator
from tests.services.live.talker import LIMIT_S, BytesMessage, Ping, Refused, Talker, TextMessage

from labdriver.join import new_token

Talk = Callable[..., Talker]


@pytest.fixture
def document(generator: Generator) -> dict[str, Any]:
    found: dict[str, Any] = generator.ask("GET", "/openapi.json").json()
    return found


@pytest.fixture
def talk(generator: Generator) -> Iterator[Talk]:
    """Make WebSocket clients, of a world that lives and sells: tests before may have paused it, or closed its shop. All
    are closed afterwards."""
    generator.heard("POST", "/workshop/pause", {"on": False}, token="facilitator")
    generator.ask("POST", "/api/simulation/reset", {}, token="facilitator")
    generator.ask("POST", "/api/simulation/pace", {"factor": 1}, token="facilitator")
    made: list[Talker] = []

    def connect(port: int, **how: str) -> Talker:
        made.append(Talker(port))
        made[-1].shake(**how)
        return made[-1]

    yield connect
    for talker in made:
        talker.close()


# ---------------------------------------------------------------------- doors


def test_steering_needs_the_facilitator(generator: Generator, document: dict[str, Any]) -> None:
    """Whatever OpenAPI marks as needing a token refuses everybody else with 401, participants included."""
    code = generator.session()["code"]
    participant = generator.told("POST", "/workshop/join", {"code": code, "name": "Ann"})["token"]
    guarded = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "security" not in operation:
                continue
            guarded += 1
            wanted = "participant" if "participant's" in str(operation["responses"]["401"]) else "facilitator"
            url = path.replace("{ticket}", "1").replace("{name}", "rush-orders")
            body = {} if "requestBody" in operation else None
            assert generator.ask(method, url, body).status_code == 401, path
            other = "facilitator" if wanted == "participant" else participant
            assert generator.ask(method, url, body, token=other).status_code == 401, path
            assert generator.ask(method, url, body, token=new_token()).status_code == 401, path
    assert guarded > 20


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}],
)
def test_other_sites_are_refused(generator: Generator, headers: dict[str, str]) -> None:
    """A stranger's page gets nowhere, even with the right token; and no answer allows it to read."""
    answer = generator.ask("POST", "/workshop/stop", {}, token="facilitator", **headers)
    assert answer.status_code == 403
    reading = generator.ask("GET", "/workshop/board", **headers)
    assert not [name for name in reading.headers if name.startswith("access-control-")]
    assert reading.headers["cross-origin-resource-policy"] == "same-origin"


def test_own_pages_are_let_in(generator: Generator) -> None:
    """The same origin passes; a form's encoding does not."""
    origin = f"http://127.0.0.1:{generator.port}"
    generator.session()
    assert generator.ask("POST", "/workshop/pause", {"on": True}, token="facilitator", origin=origin).status_code == 200
    form = {"content-type": "text/plain"}
    assert generator.ask("POST", "/workshop/pause", {}, token="facilitator", **form).status_code == 415


def test_browsers_cannot_claim_the_token(generator: Generator) -> None:
    """Claiming is for the command line: a page behind a rebound name must not become facilitator."""
    origin = f"http://127.0.0.1:{generator.port}"
    body = {"token": generator.facilitator}
    assert generator.ask("PUT", "/workshop/facilitator", body, origin=origin).status_code == 403


def test_markup_in_names_stays_text(generator: Generator) -> None:
    """Names come back as they are, cleaned of what cannot be seen, in JSON that no browser takes for a page."""
    code = generator.session()["code"]
    name = "<img src=x onerror=alert(1)>\u202e\u0007"
    told = generator.told("POST", "/workshop/join", {"code": code, "name": name})
    assert told["name"] == "<img src=x onerror=alert(1)>"
    answer = generator.ask("GET", "/workshop/board")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("page", ["/board", "/business", "/facilitator", "/tickets", "/admin"])
def test_pages_hold_no_inline_code(generator: Generator, page: str) -> None:
    """Everything a page runs comes from a file of ours, so the policy may forbid the rest."""
    answer = generator.ask("GET", page)
    assert answer.status_code == 200
    assert " style=" not in answer.text
    assert " onclick" not in answer.text
    assert answer.text.count("<script") == answer.text.count('<script type="module" src="/static/')


def test_tokens_stay_out_of_the_log(generator: Generator) -> None:
    """Neither the facilitator's nor a participant's token is ever logged."""
    code, mine = generator.session()["code"], new_token()
    generator.told("POST", "/workshop/join", {"code": code, "name": "Ann", "token": mine})
    generator.ask("POST", "/workshop/join", {"code": code, "name": 7, "token": mine})
    logged = generator.log.read_text()
    assert "serving_started" in logged
    assert generator.facilitator not in logged
    assert mine not in logged


# ---------------------------------------------------------------------- bad input

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, op) for path, ops in document["paths"].items() for method, op in ops.items()]


def fields(document: dict[str, Any], operation: dict[str, Any]) -> list[str]:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rsplit("/", 1)[-1]
    return list(document["components"]["schemas"].get(name, {}).get("properties", {})) or ["x"]


@settings(max_examples=250)
@given(data=st.data())
def test_no_input_makes_a_server_error(generator: Generator, document: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is sent to whatever operation by whomever: never 5xx, errors in one clear line."""
    path, method, operation = data.draw(st.sampled_from(operations(document)))
    if path in ("/workshop/stop", "/workshop/facilitator"):
        return
    for name in ("{ticket}", "{name}"):
        path = path.replace(name, data.draw(st.sampled_from(["1", "0", "-1", "9" * 30, "x", "%00", "a%2Fb", "é"])))
    if operation["parameters"] and method == "get":
        path += f"?workshop_id={data.draw(st.sampled_from(['1', 'x', '-5', '9' * 25, '1&workshop_id=2', '%00']))}"
    token = data.draw(st.sampled_from(["", "facilitator", "nobody" * 6, participant(generator)]))
    shaped = st.dictionaries(st.sampled_from(fields(document, operation)), ANYTHING, max_size=4)
    body = data.draw(st.one_of(shaped, ANYTHING))
    answer = generator.ask(method, path, body if "requestBody" in operation else None, token=token)
    assert answer.status_code < 500 or answer.status_code == 503, (path, body, answer.text)
    if answer.status_code != 200:
        assert "\n" not in answer.json()["error"]
    documented = operation["responses"]
    assert str(answer.status_code) in documented, (path, answer.status_code, answer.text)


def participant(generator: Generator) -> str:
    """A participant's token in a session that runs."""
    status = generator.told("GET", "/workshop/status")["session"]
    if status is None or status["state"] == "ended":
        status = generator.session()
    token = "p" * 30 + str(status["id"])
    generator.ask("POST", "/workshop/join", {"code": status["code"], "name": "Fuzz", "token": token})
    return token


@pytest.mark.parametrize(
    "raw", [b"{", b"\xff\xfe", b'{"name": "\\ud800"}', b"[1e999]", b"nul", b'{"name": NaN}', b'{"a\\n\\u202eb": 1}']
)
def test_body_that_is_no_json_is_refused(generator: Generator, raw: bytes) -> None:
    """Broken JSON, half characters, numbers that are none, a field that nobody knows: 422 in one line."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {generator.facilitator}"}
    answer = generator.http.post(generator.url + "/workshop/start", content=raw, headers=headers)
    assert answer.status_code == 422
    assert len(answer.json()["error"].splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("pause", {"on": 0}, 422),
        ("next", {"segment": False}, 422),
        ("next", {"segment": "1"}, 422),
        ("next", {"segment": 1.5}, 422),
        ("next", {"segment": 1.0}, 200),
        ("join", {"code": "\0AAAA", "name": "Ann"}, 404),
    ],
)
def test_body_has_the_types_of_the_document(generator: Generator, path: str, body: Any, status: int) -> None:
    """0 is not false, "1" is not 1; 1.0 is 1, as JSON Schema has it; a code that no database takes is a wrong one."""
    generator.session()
    assert generator.ask("POST", f"/workshop/{path}", body, token="facilitator").status_code == status


def test_wrong_method_is_told_the_right_ones(generator: Generator) -> None:
    """All methods of a path stand in `allow`."""
    answer = generator.ask("DELETE", "/workshop/facilitator")
    assert answer.status_code == 405
    assert {"GET", "PUT"} <= set(answer.headers["allow"].split(", "))


def test_long_body_is_refused(generator: Generator) -> None:
    """A body has a limit."""
    answer = generator.ask("POST", "/workshop/paste", {"text": "x" * 300_000}, token="facilitator")
    assert answer.status_code == 413


def test_document_describes_what_is_served(document: dict[str, Any]) -> None:
    """Every operation has an answer with a schema, and the source's paths are there."""
    for path, method, operation in operations(document):
        assert "$ref" in operation["responses"]["200"]["content"]["application/json"]["schema"], (path, method)
    for path in ("/workshop/start", "/workshop/scenario/{name}", "/workshop/status", "/api/simulation/scenario"):
        assert path in document["paths"]
    for last in ("summary", "progress", "leaderboard"):
        assert f"/api/workshop/analytics/{last}" in document["paths"]


# ---------------------------------------------------------------------- WebSocket


def test_events_come_by_websocket(generator: Generator, talk: Talk) -> None:
    """Subscribe, get the world's events as the source shapes them, and the newest state of the board."""
    talker = talk(generator.port)
    assert talker.subscribe("orders.*", "workshop.board")["topics"] == ["orders.*", "workshop.board"]
    talker.until(lambda: {e["stream"] for e in talker.events()} >= {"orders.placed", "workshop.board"})
    order = next(e for e in talker.events() if e["stream"] == "orders.placed")
    assert set(order) == {"stream", "timestamp", "data"}


def test_facilitator_sees_causes(generator: Generator, talk: Talk) -> None:
    """With the token the same event tells its cause; a wrong token is refused in words."""
    talker = talk(generator.port)
    assert "not the facilitator" in talker.subscribe("orders.*", token=new_token())["error"]
    assert talker.subscribe("orders.*", "facilitator.*", token=generator.facilitator)["type"] == "subscribed"
    talker.until(lambda: any("cause" in e for e in talker.events() if e["stream"] == "orders.placed"))
    talker.until(lambda: any(e["stream"] == "facilitator.room" for e in talker.events()))


def test_reconnect_continues_where_it_stopped(generator: Generator, talk: Talk) -> None:
    """With the last timestamp: the rest, without a hole and without a double."""
    first = talk(generator.port)
    first.subscribe("orders.placed")
    first.until(lambda: len(first.events()) >= 3)
    first.close()
    last = first.events()[-1]
    again = talk(generator.port)
    again.subscribe("orders.placed", lastTimestamp=last["timestamp"])
    again.until(lambda: len(again.events()) >= 2)
    number = int(last["data"]["orderNumber"].split("-")[1])
    assert [e["data"]["orderNumber"] for e in again.events()[:2]] == [f"BW-{number + 1}", f"BW-{number + 2}"]
    assert not [m for m in again.messages if m["type"] == "gap"]


def test_trigger_is_seen_by_a_client(generator: Generator, talk: Talk) -> None:
    """A scenario triggered over REST changes what a WebSocket client sees."""
    generator.ask("POST", "/api/simulation/stop", {}, token="facilitator")
    talker = talk(generator.port)
    talker.subscribe("orders.*", "world.*", token=generator.facilitator)
    told = generator.told("POST", "/api/simulation/scenario", {"scenarioId": "rush-orders"}, token="facilitator")
    assert (told["success"], told["status"], told["scenario"]["name"]) == (True, "active", "Rush")
    talker.until(lambda: any(e.get("cause", {}).get("id") == "rush-orders" for e in talker.events()))
    talker.until(lambda: any(e["data"].get("scenario") for e in talker.events() if e["stream"] == "world.fake"))
    again = generator.ask("POST", "/api/simulation/scenario", {"scenarioId": "rush-orders"}, token="facilitator")
    assert (again.status_code, "active already" in again.json()["error"]) == (409, True)
    assert generator.ask("POST", "/api/simulation/stop", {}, token="facilitator").status_code == 200


@pytest.mark.parametrize(
    ("path", "origin", "status"), [("/ws", "http://evil.example", 403), ("/elsewhere", "", 404), ("/ws", "null", 403)]
)
def test_handshake_is_refused(generator: Generator, talk: Talk, path: str, origin: str, status: int) -> None:
    """Other sites' pages and other paths get no WebSocket."""
    with pytest.raises(Refused) as refused:
        talk(generator.port, path=path, origin=origin)
    assert refused.value.status == status


def test_wrong_messages_are_told_and_the_connection_stays(generator: Generator, talk: Talk) -> None:
    """What cannot be read is answered in words; pings of both kinds are answered."""
    talker = talk(generator.port)
    for text in (
        "{",
        "[]",
        '{"type": 7}',
        '{"type": "dance"}',
        '{"type": "subscribe"}',
        '{"type":"subscribe","topics":[""]}',
    ):
        talker.send(TextMessage(text))
    talker.until(lambda: len([m for m in talker.messages if m["type"] == "error"]) == 6)
    talker.say(type="ping")
    talker.send(Ping(b"x"))
    talker.until(lambda: talker.messages[-1]["type"] == "pong" and talker.pongs == 1)


@pytest.mark.parametrize(
    ("event", "code"),
    [(BytesMessage(b"x"), 1008), (TextMessage("x" * 20_000), 1009)],
    ids=["binary", "too long"],
)
def test_abuse_is_cut_off(generator: Generator, talk: Talk, event: Any, code: int) -> None:
    """Binary and oversized messages end the connection with a code that says why."""
    talker = talk(generator.port)
    talker.send(event)
    talker.until(lambda: talker.closed == code)


def test_flood_is_cut_off(generator: Generator, talk: Talk) -> None:
    """A client that does not stop talking is cut off; others are not."""
    other = talk(generator.port)
    other.subscribe("orders.*")
    talker = talk(generator.port)
    talker.send(*[TextMessage('{"type": "pong"}')] * 70)
    talker.until(lambda: talker.closed == 1008)
    had = len(other.events())
    other.until(lambda: len(other.events()) > had)


# ---------------------------------------------------------------------- kill -9


def test_state_survives_kill_of_the_generator(generator: Generator, talk: Talk) -> None:
    """Session, participant, run, ticket and world are there again, and the token still opens the door."""
    code, mine = generator.session()["code"], new_token()
    generator.told("POST", "/workshop/join", {"code": code, "name": "Ann", "token": mine})
    generator.told("POST", "/workshop/next", {"segment": 1}, token="facilitator")
    until_s = time.monotonic() + LIMIT_S
    while (held := generator.told("POST", "/workshop/tickets/request", {}, token=mine))["ticket"] is None:
        assert time.monotonic() < until_s, "no ticket came"
    talker = talk(generator.port)
    talker.subscribe("world.*")
    talker.until(lambda: talker.events())
    orders = talker.events()[-1]["data"]["figures"]["orders"]
    generator.kill()
    generator.start()
    generator.claim()
    session = generator.told("GET", "/workshop/status")["session"]
    assert (session["code"], session["segment"], session["state"]) == (code, 1, "running")
    assert generator.told("GET", "/workshop/me", token=mine)["name"] == "Ann"
    assert generator.told("GET", "/workshop/tickets/mine", token=mine)["ticket"]["id"] == held["ticket"]["id"]
    again = talk(generator.port)
    again.subscribe("world.*")
    again.until(lambda: any(e["data"]["running"] for e in again.events()))
    kept = again.events()[-1]["data"]["figures"]["orders"]
    assert kept >= orders - 60  # saved every few seconds; the fake world cannot replay what came after
    assert kept > 0


def test_postgres_killed_and_back(generator: Generator, talk: Talk) -> None:
    """While the database is away the API says 503 and when to come back; the stream goes on; then all is as before."""
    code, mine = generator.session()["code"], new_token()
    generator.told("POST", "/workshop/join", {"code": code, "name": "Ann", "token": mine})
    talker = talk(generator.port)
    talker.subscribe("orders.*")
    generator.postgres.kill()
    try:
        until_s = time.monotonic() + LIMIT_S
        while (answer := generator.ask("GET", "/workshop/status")).status_code == 200:  # its last processes still end
            assert time.monotonic() < until_s, "the generator does not notice"
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        had = len(talker.events())
        talker.until(lambda: len(talker.events()) > had + 2)
    finally:
        generator.postgres.start()
    until_s = time.monotonic() + LIMIT_S
    while generator.ask("GET", "/workshop/me", token=mine).status_code != 200:
        assert time.monotonic() < until_s, "the generator does not come back"
    assert generator.told("GET", "/workshop/status")["session"]["code"] == code
