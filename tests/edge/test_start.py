"""The gateway starts, and stops, as the contract says."""

import resource
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


def test_as_many_files_may_be_open_as_the_system_allows(tmp_path: Path):
    """The usual limit of 1024 would be some 300 streams."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        with serving(tmp_path) as running:
            limits = {prlimit(pid) for pid in running.pids()}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert limits == {min(1 << 16, hard)}


def prlimit(pid: int) -> int:
    """The soft limit of a process."""
    (line,) = [
        line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith("Max open files")
    ]
    return int(line.split()[3])
