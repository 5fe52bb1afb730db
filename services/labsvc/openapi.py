"""The OpenAPI 3.1 document of a set of endpoints, made from the same models that check the requests."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from labsvc.rest import Endpoint, Model, Nothing, operation


class Problem(BaseModel):
    """The body of every answer that is not 200."""

    error: str


def document(endpoints: Sequence[Endpoint], *, title: str, version: str, description: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these endpoints."""
    wanted: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [(Problem, "serialization")]
    for endpoint in endpoints:
        wanted.append((endpoint.answer, "serialization"))
        if endpoint.body:
            wanted.append((endpoint.body, "validation"))
    refs, defined = models_json_schema(list(dict.fromkeys(wanted)), ref_template="#/components/schemas/{model}")
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _described(endpoint, refs)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": paths,
        "components": {
            "schemas": defined.get("$defs", {}),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _described(endpoint: Endpoint, refs: Mapping[Any, Any]) -> dict[str, Any]:
    problem = {"application/json": {"schema": refs[Problem, "serialization"]}}
    statuses = {422: "the input is wrong", 429: "too many requests", 503: "the database is away", **endpoint.refusals}
    if endpoint.role != "anyone":
        statuses |= {401: f"no {endpoint.role}'s token"}
    else:
        statuses |= {401: "a token that is not known"}
    if endpoint.params is not Nothing:
        statuses.setdefault(404, "not found")
    if endpoint.body:
        statuses |= {413: "the body is too long", 415: "the body is not JSON"}
    if endpoint.method != "GET" or endpoint.role == "participant":  # a participant's session may have been wiped
        statuses.setdefault(409, "the state does not allow it")
    if endpoint.method != "GET":
        statuses |= {403: "the request comes from another site"}
    content = {"application/json": {"schema": refs[endpoint.answer, "serialization"]}}
    told: dict[str, Any] = {
        "operationId": operation(endpoint),
        "summary": endpoint.summary,
        "tags": [_tag(endpoint.path)],
        "parameters": [*_parameters(endpoint.params, "path"), *_parameters(endpoint.query, "query")],
        "responses": {"200": {"description": "done", "content": content}}
        | {str(status): {"description": why, "content": problem} for status, why in sorted(statuses.items())},
    }
    if endpoint.role != "anyone":
        told["security"] = [{"token": []}]
    if endpoint.body:
        schema = refs[endpoint.body, "validation"]
        needed = any(f.is_required() for f in endpoint.body.model_fields.values())
        told["requestBody"] = {"required": needed, "content": {"application/json": {"schema": schema}}}
    return told


def _parameters(model: type[Model], where: str) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    return [
        {"name": name, "in": where, "required": where == "path" or name in schema.get("required", ()), "schema": shape}
        for name, shape in schema.get("properties", {}).items()
    ]


def _tag(path: str) -> str:
    return next((part for part in path.split("/") if part and part != "api"), "api")
