"""The gateway starts, and stops, as the contract says."""

from pathlib import Path

import httpx

from tests.gateway import Gateway, serving


def test_ready_means_that_a_request_succeeds(gateway: Gateway):
    """The health of the surface is asked through Envoy, at the address that `ready` names."""
    answer = httpx.get(f"{gateway.url}/v1/responses/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


def test_nothing_is_logged_before_somebody_asks(tmp_path: Path):
    """The supervisor's own questions would be the first lines that anybody sees, most of them cut off."""
    with serving(tmp_path) as running:
        pass
    assert "access" not in running.log.read_text()
