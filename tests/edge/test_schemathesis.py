"""Generated requests for every GET path of the OpenAPI document, through Envoy: what comes back is what the document says."""

import json

import pytest
import schemathesis
from hypothesis import Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.edge.endless import Endless
from tests.gateway import ROOT, Gateway

DOCUMENT = json.loads((ROOT / "gen/openapi.json").read_text())
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
GETS = schemathesis.openapi.from_dict(DOCUMENT).include(method="GET")
DOCUMENTED = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture(scope="module")
def gateway(unending: tuple[Gateway, Endless]) -> Gateway:
    """One with a few providers, which nobody asks."""
    return unending[0]


@GETS.parametrize()
@settings(max_examples=10, phases=[Phase.explicit, Phase.generate])
def test_the_answer_is_as_documented(case: schemathesis.Case, gateway: Gateway):
    """Statuses, content types and bodies, for sensible and for senseless parameters; never a 500."""
    case.call_and_validate(base_url=gateway.url, checks=CHECKS, headers=gateway.headers)


EXPLAINED = [
    # of a request, by hand: to generate its whole schema takes minutes
    {"model": "auto", "input": "Hi"},
    {"model": "openai/gpt-5.4", "input": "Hi", "temperature": 0.5, "routing": {"provider": {"sort": "cost"}}},
    {"model": "gpt-5.4", "input": "Hi", "routing": {"metric": "p95_latency", "interval": "1h"}},
    {"model": "gpt-5.4", "input": "Hi", "routing": {"provider": {"only": ["cohere"]}}},
    {"model": "gpt-5.4", "input": "Hi", "routing": {"provider": {"zdr": True}}},
    {"model": "no-such-model", "input": "Hi"},
    {"model": 7, "input": None},
    {},
]


@pytest.mark.parametrize("body", EXPLAINED, ids=str)
def test_a_route_is_explained_or_refused_as_documented(body: dict[str, object], gateway: Gateway):
    """An explanation, or the error that the request would get: in the document's words."""
    case = DOCUMENTED["/v1/routing/explain"]["POST"].Case(body=body, media_type="application/json")
    case.call_and_validate(base_url=gateway.url, checks=CHECKS, headers=gateway.headers)
