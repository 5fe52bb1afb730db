"""The generator's OpenAPI document against what is served: Schemathesis makes requests that it allows and forbids.

The seed is fixed, so the same document gives the same requests. Many more of them:
`schemathesis run URL/openapi.json -H "Authorization: Bearer TOKEN" --max-examples 500`.
"""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.services.live.conftest import READY_S, Generator
from tests.services.live.test_generator import participant

EXAMPLES = 150  # requests, of each kind
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def refused(context: Any, response: Any, case: Any) -> bool | None:
    """What is forbidden is refused; a body that is too long before it is read."""
    return None if response.status_code == 413 else negative_data_rejection(context, response, case)


@pytest.mark.parametrize("kind", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
def test_answers_are_as_described(generator: Generator, kind: GenerationMode) -> None:
    """No 5xx, no status and no shape that the document does not tell; what it forbids is refused."""
    schema: Any = schemathesis.openapi.from_dict(generator.told("GET", "/openapi.json"))
    made = [found.ok().as_strategy(generation_mode=kind) for found in schema.get_all_operations()]
    checks = CHECKS if kind is GenerationMode.POSITIVE else [*CHECKS, refused]
    generator.session()

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(case=st.one_of(made), who=st.sampled_from(["facilitator", "participant", "nobody"]))
    def holds(case: Any, who: str) -> None:
        headers = {}
        if who != "nobody":
            token = generator.facilitator if who == "facilitator" else participant(generator)
            headers["authorization"] = f"Bearer {token}"
        case.call_and_validate(base_url=generator.url, headers=headers, checks=checks, timeout=READY_S)

    holds()
