"""Recorded exchanges of the chat format's providers: what they were sent and what they answered, under every chunking."""

import msgspec
import pytest

from services.catalog.schema import Target
from tests import shared_replay

APIS = ("openai.chat", "azure.chat", "xai.chat", "mistral.chat", "hf.chat")
RECORDINGS = (
    [recording for api in APIS for recording in shared_replay.recordings(api)] if shared_replay.AVAILABLE else []
)


target_of = shared_replay.target_of


def through_a_router(recording: dict, upstream: str) -> Target:
    """The harness's target, with the cache markers that one exchange recorded under OpenAI's name carried to a router."""
    target = target_of(recording, upstream)
    if "prompt_cache_breakpoint" not in str(recording["request"]["body"]):
        return target
    row = msgspec.structs.replace(target.provider, quirks=target.provider.quirks | {"cache_control": True})
    return msgspec.structs.replace(target, provider=row)


@pytest.mark.skipif(not shared_replay.AVAILABLE, reason="the folder with recordings is not there")
@pytest.mark.parametrize("chunk", [0, 1, 2, 7])
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording["id"])
def test_recording(recording, chunk, monkeypatch):
    """The request carries all that was recorded, the answer says all that was answered."""
    monkeypatch.setattr(shared_replay, "target_of", through_a_router)
    if chunk and "sse" not in recording["response"]:
        return  # a whole body does not arrive in pieces
    try:
        assert shared_replay.problems(recording, chunk) == []
    except shared_replay.Skip as skip:
        pytest.skip(str(skip))
