"""Every convertible recording through the whole gateway, Envoy included, judged by the replay checker."""

import asyncio

import pytest

from tests.gateway import Gateway
from tests.shared_replay import recordings

# Refused by us as the public API's own limit says; the provider refused it too, so nobody loses an answer.
REFUSED_BY_LIMIT = {"vertex--generate--test-generate-content-invalid-temperature--a021009f"}


@pytest.mark.timeout(300)
def test_every_convertible_recording_passes(replayed: Gateway, replay: str):
    """What providers really answered comes through right, and what they were asked is what we ask."""
    from replay import check

    report: list[str] = []
    results, not_offered = asyncio.run(
        check.run(list(recordings()), replayed.url, replayed.key, replay, strict=True, report=report.append)
    )
    failed = {result.id for result in results if result.verdict == "failed"} - REFUSED_BY_LIMIT
    assert not failed, "\n".join(line for line in report if not any(id in line for id in REFUSED_BY_LIMIT))
    assert not not_offered
    assert sum(result.verdict == "passed" for result in results) > 100
