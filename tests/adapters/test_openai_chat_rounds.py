"""Whole conversations with a fake that is as strict as each vendor of the chat format."""

import pytest

from tests.adapters.played import AVAILABLE, TOOLS, Json, answered, follow_up

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="../shared/actor is not there")

VENDORS = ["openai", "azure", "xai", "mistral", "cloudflare", "huggingface"]
both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
every = pytest.mark.parametrize("vendor", VENDORS)


def ask(vendor: str, stream: bool, input: str | list[Json], **more: object) -> Json:
    return answered(vendor, "openai_chat", {"input": input, "stream": stream, **more})


@every
@both
@pytest.mark.parametrize("prompt", ["Hello", "THINK", "TOOLPLEASE in Paris", "call get_weather PARALLEL in Paris"])
def test_three_rounds_keep_calls_and_results(vendor: str, stream: bool, prompt: str):
    """Every follow-up is accepted; only reasoning may be lost on the way."""
    said: list[Json] = [{"role": "user", "content": prompt}]
    for _ in range(3):
        response = ask(vendor, stream, said, tools=TOOLS, reasoning={"effort": "high"})
        assert response["status"] == "completed"
        lost = {loss["param"] for loss in response["translation_losses"]}
        assert all(said[int(param[6:-1])]["type"] == "reasoning" for param in lost)
        said += follow_up(response["output"])
    assert any(item.get("type") == "function_call" for item in said)


@every
@both
def test_custom_tools(vendor: str, stream: bool):
    """Native or as functions, the client sees the same."""
    tool = {
        "type": "custom",
        "name": "shell",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: A"},
    }
    said: list[Json] = [{"role": "user", "content": "Use the shell TOOLPLEASE"}]
    response = ask(vendor, stream, said, tools=[tool])
    call = next(item for item in response["output"] if item["type"] == "custom_tool_call")
    assert "{" not in call["input"]
    assert ask(vendor, stream, said + follow_up(response["output"]), tools=[tool])["status"] == "completed"


@every
@both
def test_histories_of_another_provider(vendor: str, stream: bool):
    """Foreign ids, results out of order, an image in a result, a user who interrupts."""
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    said: list[Json] = [
        {"role": "user", "content": "TOOLPLEASE"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm"}], "encrypted_content": "foreign"},
        {"type": "function_call", "call_id": "toolu_01-x", "name": "get_weather", "arguments": '{"city":"Rome"}'},
        {"type": "function_call", "call_id": "c2", "name": "get_time", "arguments": ""},
        {"role": "developer", "content": "Be quick"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "noon"}, image]},
        {"type": "function_call_output", "call_id": "toolu_01-x", "output": "broken", "is_error": True},
        {"role": "user", "content": "And?"},
    ]
    response = ask(vendor, stream, said, tools=TOOLS, instructions="Be kind")
    assert response["status"] == "completed"


@every
@both
@pytest.mark.parametrize(("prompt", "status"), [("MAXTOK LONG 9", "incomplete"), ("LONG 20", "completed")])
def test_ends(vendor: str, stream: bool, prompt: str, status: str):
    """A limit, and a natural end; both with usage."""
    response = ask(vendor, stream, prompt)
    assert response["status"] == status
    assert response["usage"]["output_tokens"] > 0


@both
def test_a_refusal_of_openai(stream: bool):
    """A refusal part, not text."""
    response = ask("openai", stream, "REFUSE")
    assert response["output"][0]["content"][0]["type"] == "refusal"
    assert response["stop_reason"] == "refusal"


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}


@every
@both
def test_structured_output(vendor: str, stream: bool):
    """With strictness, as the official SDKs ask for it."""
    format = {"type": "json_schema", "name": "person", "schema": SCHEMA, "strict": True}
    response = ask(vendor, stream, "Who?", text={"format": format})
    assert '"name"' in response["output"][-1]["content"][0]["text"]
