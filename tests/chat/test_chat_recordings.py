"""Recorded exchanges of chat clients with chat providers, as if the gateway had stood between them on its native lane."""

import json
from typing import Any

import pytest

from services.adapters import carry
from services.adapters.dialect import UpstreamError
from services.adapters.registry import dialect
from services.chat import intake
from services.chat.native import NativeWriter
from tests import shared_replay
from tests.chat.kit import ANSWERED, chunks_of

Json = dict[str, Any]

FORMAT = dialect("openai_chat")
APIS = ("openai.chat", "azure.chat", "xai.chat", "mistral.chat", "hf.chat")
RECORDINGS = (
    [
        recording
        for api in APIS
        for recording in shared_replay.recordings(api)
        if isinstance(recording["request"].get("body"), dict)
    ]
    if shared_replay.AVAILABLE
    else []
)
OURS = ("id", "model", "cost", "routing", "translation_losses")


def chunks_recorded(text: str) -> list[Json]:
    return [
        json.loads(line[5:])
        for line in text.replace("\r\n", "\n").split("\n")
        if line.startswith("data:") and "{" in line
    ]


@pytest.mark.skipif(not shared_replay.AVAILABLE, reason="the folder with recordings is not there")
@pytest.mark.parametrize("size", [1 << 20, 7])
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording["id"])
def test_what_clients_sent_is_read_and_what_providers_said_passes(recording, size):
    """Every body that a provider accepted is; on the native lane every member of every chunk comes back but id and model."""
    response, body = recording["response"], {"model": "m", **recording["request"]["body"]}
    if response["status"] >= 400:
        return  # a request that may be wrong
    call = intake.read(json.dumps(body).encode()).call
    target = shared_replay.target_of(recording, str(body["model"]))
    call, _ = carry.prepare(call, target, "openai_chat", "scope")
    sent = json.loads(FORMAT.request(call, target).body)
    assert sent["model"] == target.upstream
    if call.native is None:
        return
    assert sent["messages"] == [_without(message, "reasoning", "reasoning_content") for message in body["messages"]]
    writing = NativeWriter(ANSWERED, include_usage=True)
    if "sse" not in response:
        writing.take(FORMAT.answer(json.dumps(response["body"]).encode(), call, target))
        assert _without_ours(json.loads(writing.whole(None))) == _without_ours(response["body"])
        return
    data, framer, decoder = response["sse"].encode(), FORMAT.framing(call)(), FORMAT.decoder(call, target)
    told = b""
    try:
        for start in range(0, len(data), size):
            for frame in framer.feed(data[start : start + size]):
                told += writing.feed(decoder.feed(frame))
        for frame in framer.close():
            told += writing.feed(decoder.feed(frame))
        decoder.close()
    except UpstreamError:
        pytest.skip("the recorded answer has no end")
    found = [_without_ours(chunk) for chunk in chunks_of(told + writing.complete(None))]
    recorded = [_without_ours(chunk) for chunk in chunks_recorded(response["sse"])]
    assert sorted(map(str, found)) == sorted(map(str, recorded))
    assert [c for c in found if not _ends(c)] == [c for c in recorded if not _ends(c)]


def _without(value: Json, *names: str) -> Json:
    return {name: member for name, member in value.items() if name not in names}


def _without_ours(value: Json) -> Json:
    return _without(value, *OURS)


def _ends(chunk: Json) -> bool:
    """Whether the chunk waits for the end of the stream: it ends a choice, or counts."""
    return bool(chunk.get("usage")) or any(choice.get("finish_reason") for choice in chunk.get("choices") or [])
