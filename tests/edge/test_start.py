"""The gateway starts, and stops, as the contract says."""

import httpx

from tests.gateway import Gateway


def test_ready_means_that_a_request_succeeds(gateway: Gateway):
    """The health of the surface is asked through Envoy, at the address that `ready` names."""
    answer = httpx.get(f"{gateway.url}/v1/responses/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})
