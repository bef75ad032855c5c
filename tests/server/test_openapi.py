"""Whatever the description allows, and much that it forbids, finds no mistake of the server."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks

from tests.server.served import SECRET, Served

HEADERS = {"Authorization": f"Bearer {SECRET}"}
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_call_finds_a_mistake(served: Served, mode: GenerationMode) -> None:
    """No 500; what comes back has the status, the type and the shape that are described."""
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json", headers=HEADERS)
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not _can_be_wrong(operation):
            continue

        @settings(
            max_examples=12,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=HEADERS, checks=CHECKS)

        check()
        tried += 1
    assert tried >= (18 if mode is GenerationMode.POSITIVE else 10)


def _can_be_wrong(operation: schemathesis.schemas.APIOperation) -> bool:  # type: ignore[type-arg]
    """Tell whether a call can be wrong at all: it takes a parameter or a body."""
    return bool(operation.body or operation.query or operation.path_parameters or operation.headers)
