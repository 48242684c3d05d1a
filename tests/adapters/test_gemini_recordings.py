"""Real exchanges of AI Studio and Vertex AI through intake, dialect and projection."""

from typing import Any

import pytest

from services.errors import InvalidRequest
from tests.shared_replay import AVAILABLE, Skip, problems, recordings

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="../shared/replay and ../shared/recordings are not there")

CASES = list(recordings("gemini.")) if AVAILABLE else []
STREAMS = [case for case in CASES if "sse" in case["response"]]


def judged(recording: dict[str, Any], size: int) -> list[str]:
    try:
        return problems(recording, size)
    except Skip as reason:
        pytest.skip(str(reason))
    except InvalidRequest:
        assert recording["response"]["status"] == 400, "only what the provider refused may be refused"
        return []


@pytest.mark.parametrize("recording", CASES, ids=lambda case: case["id"])
def test_we_send_what_was_recorded_and_say_what_was_answered(recording: dict[str, Any]):
    """The request means what the recorded one meant, and the public answer says all that the recorded answer says."""
    assert judged(recording, 0) == []


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("recording", STREAMS, ids=lambda case: case["id"])
def test_events_do_not_depend_on_how_bytes_arrive(recording: dict[str, Any], size: int):
    """A recorded stream means the same in pieces of any size."""
    assert judged(recording, size) == []
