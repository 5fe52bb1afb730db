"""REST endpoints as data: what goes in, what comes out, who may; checked at the door, described in OpenAPI.

    request ──▶ Gate (who is it?) ──▶ path, query, body as frozen models ──▶ handler ──▶ model ──▶ JSON

A wrong request is answered 4xx with one clear line. Knows no business; `live`, `workshop` and `shop` bring theirs.
"""

import math
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, Protocol

import structlog
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from labsvc.errors import ServiceError
from labsvc.metrics import ROUTE

BODY_LIMIT_BYTES = 262_144
Role = Literal["anyone", "participant", "facilitator"]
Serve = Callable[[Request], Awaitable[Response]]


class Refused(ServiceError):
    """A request that is not done. `status` is 4xx, or 503 while something that is needed is away."""

    def __init__(self, status: int, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class Model(BaseModel):
    """A frozen shape; an unknown field is an error, not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Nothing(Model):
    """An empty body or query."""


@dataclass(frozen=True)
class Who:
    """Who asks. `id` is the participant's number, None for everybody else."""

    role: Role = "anyone"
    id: int | None = None
    session: int | None = None
    name: str = ""


class Gate(Protocol):
    """Tells who sends a request. Raises Refused for a token that is not known."""

    async def who(self, token: str, address: str) -> Who: ...


@dataclass(frozen=True)
class Call:
    """One request, read and checked."""

    who: Who
    address: str  # where it comes from
    params: Any  # of the types that the endpoint states
    query: Any
    body: Any


@dataclass(frozen=True)
class Done:
    """An answer with a status other than 200."""

    status: int
    answer: BaseModel


@dataclass(frozen=True)
class Endpoint:
    """One operation of the API."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    handle: Callable[[Call], Awaitable[BaseModel | Done]]
    answer: type[BaseModel]
    role: Role = "anyone"
    params: type[Model] = Nothing
    query: type[Model] = Nothing
    body: type[Model] | None = None
    refusals: Mapping[int, str] = field(default_factory=dict)
    body_limit_bytes: int = BODY_LIMIT_BYTES

    def at(self, params: type[Model]) -> "Endpoint":
        """With these path parameters."""
        return replace(self, params=params)

    def asking(self, query: type[Model]) -> "Endpoint":
        """With this query."""
        return replace(self, query=query)

    def taking(self, body: type[Model]) -> "Endpoint":
        """With this body."""
        return replace(self, body=body)

    def refusing(self, refusals: Mapping[int, str]) -> "Endpoint":
        """With these further answers, for the document."""
        return replace(self, refusals={**self.refusals, **refusals})


def clean(text: str) -> str:
    """One line of text that is safe to store and to show: no control, format or half characters, single spaces."""
    kept = (" " if c.isspace() else c for c in unicodedata.normalize("NFC", text) if c.isspace() or _is_shown(c))
    return " ".join("".join(kept).split())


def clean_text(text: str) -> str:
    """The same for several lines."""
    return "\n".join(clean(line) for line in text.replace("\r\n", "\n").split("\n")).strip("\n")


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def some(text: str) -> str:
    """The text, if there is any. Raises ValueError."""
    if not text:
        raise ValueError("a text that can be seen is expected")
    return text


def _whole(value: Any) -> Any:
    """A number without a fraction is an integer, as in JSON Schema: 20.0 is 20."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
Line = Annotated[str, Field(max_length=200), AfterValidator(clean)]  # one line, may be empty
Name = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(clean), AfterValidator(some)]
Text = Annotated[str, Field(max_length=20_000), AfterValidator(clean_text)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Number = Annotated[int, Field(ge=1, le=2**53)]


def routes(endpoints: Sequence[Endpoint], gate: Gate) -> list[Route]:
    """The endpoints as Starlette routes, one a path, so that 405 tells every method of the path."""
    by_path: dict[str, dict[str, Serve]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = _serving(endpoint, gate)
    return [Route(path, _choosing(serves), methods=list(serves)) for path, serves in by_path.items()]


def refusal(error: Refused) -> Response:
    """The answer to a request that is not done."""
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    return JSONResponse({"error": str(error)}, error.status, headers=headers)


def _choosing(serves: Mapping[str, Serve]) -> Serve:
    async def serve(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await serves[method](request)

    return serve


def _serving(endpoint: Endpoint, gate: Gate) -> Serve:
    async def serve(request: Request) -> Response:
        request.scope[ROUTE] = endpoint.path
        try:
            call = await _read(endpoint, gate, request)
            answer = await endpoint.handle(call)
        except Refused as error:
            return refusal(error)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # the caller gets one line; the log gets the rest
            structlog.get_logger().exception("request_failed", path=endpoint.path)
            return JSONResponse({"error": f"this should not happen: {type(error).__name__}"}, 500)
        status, told = (answer.status, answer.answer) if isinstance(answer, Done) else (200, answer)
        return Response(told.model_dump_json(by_alias=True), status_code=status, media_type="application/json")

    return serve


async def _read(endpoint: Endpoint, gate: Gate, request: Request) -> Call:
    address = request.client.host if request.client else ""
    who = await gate.who(_token(request), address)
    if endpoint.role == "facilitator" and who.role != "facilitator":
        raise Refused(401, "this needs the facilitator's token: Authorization: Bearer <token>")
    if endpoint.role == "participant" and who.role != "participant":
        raise Refused(401, "this needs a participant's token, which joining gives: Authorization: Bearer <token>")
    return Call(
        who=who,
        address=address,
        params=_checked(endpoint.params, dict(request.path_params), status=404),
        query=_checked(endpoint.query, _query(request)),
        body=await _body(endpoint, request),
    )


def _token(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if not kind:
        return ""
    if kind.lower() != "bearer" or not token.strip():
        raise Refused(401, "the Authorization header is: Bearer <token>")
    return token.strip()


def _query(request: Request) -> dict[str, str]:
    pairs = request.query_params.multi_items()
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Refused(422, "a query parameter is given more than once")
    return found


async def _body(endpoint: Endpoint, request: Request) -> Any:
    if endpoint.body is None:
        return None
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > endpoint.body_limit_bytes:
            raise Refused(413, f"the body is longer than {endpoint.body_limit_bytes} bytes")
    if raw and request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, "the body is JSON: content-type: application/json")
    try:
        return endpoint.body.model_validate_json(raw or b"{}", strict=True)  # as the document says: 0 is not false
    except ValidationError as error:
        raise Refused(422, _first_fault(error)) from None


def _checked(model: type[Model], values: Mapping[str, Any], *, status: int = 422) -> Any:
    try:
        return model.model_validate_strings(values)
    except ValidationError as error:
        raise Refused(status, _first_fault(error)) from None


def _first_fault(error: ValidationError) -> str:
    """The first fault of an input in one line: where, what is wrong, what it was."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = clean(".".join(str(part) for part in first["loc"]))[:100]  # a field that is not known has any name
    given = clean(str(first["input"]))[:60]
    return f"{where or 'body'}: {first['msg']}" + (f", not {given!r}" if first["type"] != "missing" else "")


def operation(endpoint: Endpoint) -> str:
    """The name of an operation: `post_workshop_start`."""
    words = endpoint.path.replace("{", "").replace("}", "").replace("-", "_").split("/")
    return "_".join([endpoint.method.lower(), *filter(None, words)])
