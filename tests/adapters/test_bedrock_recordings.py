"""Recorded Bedrock exchanges through intake, dialect and projection, judged by the replay checker."""

from typing import Any

import pytest

from tests import shared_replay

pytestmark = pytest.mark.skipif(
    not shared_replay.AVAILABLE, reason="the shared recordings are not beside the repository"
)

RECORDINGS = list(shared_replay.recordings("bedrock.converse")) if shared_replay.AVAILABLE else []


@pytest.mark.parametrize("chunk", [0, 1, 2, 7])
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording["id"])
def test_a_recorded_exchange(recording: dict[str, Any], chunk: int) -> None:
    """What we send says what was sent, and what we answer says what was answered, however the bytes arrive."""
    try:
        assert not shared_replay.problems(recording, chunk)
    except shared_replay.Skip as skip:
        pytest.skip(str(skip))
