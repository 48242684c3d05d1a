"""Recorded exchanges with Cohere, under every chunking, and conversations with a fake that is as strict."""

import pytest

from tests import shared_replay
from tests.adapters.played import AVAILABLE, TOOLS, Json, answered, follow_up

RECORDINGS = list(shared_replay.recordings("cohere.")) if shared_replay.AVAILABLE else []
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
played = pytest.mark.skipif(not AVAILABLE, reason="../shared/actor is not there")


@pytest.mark.skipif(not shared_replay.AVAILABLE, reason="the folder with recordings is not there")
@pytest.mark.parametrize("chunk", [0, 1, 2, 7])
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording["id"])
def test_recording(recording, chunk):
    """The request carries all that was recorded, the answer says all that was answered."""
    if chunk and "sse" not in recording["response"]:
        return  # a whole body does not arrive in pieces
    try:
        assert shared_replay.problems(recording, chunk) == []
    except shared_replay.Skip as skip:
        pytest.skip(str(skip))


def ask(stream: bool, input: str | list[Json], **more: object) -> Json:
    return answered("cohere", "cohere_chat", {"input": input, "stream": stream, **more})


@played
@both
@pytest.mark.parametrize("prompt", ["Hello", "THINK", "TOOLPLEASE in Paris", "call get_weather PARALLEL in Paris"])
def test_three_rounds_keep_calls_results_plans_and_thoughts(stream: bool, prompt: str):
    """Every follow-up is accepted, and nothing of it is lost."""
    said: list[Json] = [{"role": "user", "content": prompt}]
    for _ in range(3):
        response = ask(stream, said, tools=TOOLS, reasoning={"effort": "medium"})
        assert (response["status"], response["translation_losses"]) == ("completed", [])
        said += follow_up(response["output"])
    assert any(item.get("type") == "function_call" for item in said)


@played
@both
def test_a_schema_beside_tools(stream: bool):
    """The answer is text that keeps the schema, though Cohere takes only one of the two."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    format = {"type": "json_schema", "name": "person", "schema": schema, "strict": True}
    assert '"name"' in ask(stream, "Who?", text={"format": format})["output"][-1]["content"][0]["text"]
    response = ask(stream, "Who? person", text={"format": format}, tools=TOOLS)
    assert [item["type"] for item in response["output"] if item["type"] != "reasoning"] == ["message"]


@played
@both
@pytest.mark.parametrize(("prompt", "status"), [("MAXTOK LONG 9", "incomplete"), ("LONG 20", "completed")])
def test_ends(stream: bool, prompt: str, status: str):
    """A limit, and a natural end; both with usage."""
    response = ask(stream, prompt)
    assert response["status"] == status
    assert response["usage"]["output_tokens"] > 0
