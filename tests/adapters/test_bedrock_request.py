"""What Bedrock's Converse is asked: one test per thing that a call can say."""

import base64
import json
from typing import Any

import msgspec
import pytest

from services.errors import InvalidRequest
from services.vocabulary.call import Cache, Call, Message, Opaque, Reasoning, Seal, Text, ToolCall, ToolResult
from services.vocabulary.event import ReasoningSealed
from tests.adapters.bedrock_kit import (
    CONVERSE,
    HAIKU_3,
    HELLO,
    LLAMA,
    MISTRAL,
    NOVA,
    NOVA_2,
    OPUS_48,
    SONNET_45,
    asked,
    call,
    losses,
    target,
    written,
)

PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
PDF = "data:application/pdf;base64," + base64.b64encode(b"%PDF").decode()
TXT = "data:text/plain;base64," + base64.b64encode(b"plain").decode()
USED_TOOL = [HELLO, ToolCall("c1", "ping", "{}"), ToolResult("c1", [Text("pong")])]


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("amazon.nova-lite-v1:0", False, "/model/amazon.nova-lite-v1%3A0/converse"),
        (SONNET_45, True, "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream"),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1~b_c",
            False,
            "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fa1~b_c/converse",
        ),
    ],
)
def test_the_model_is_one_path_segment(model: str, stream: bool, path: str) -> None:
    """Ids, inference profiles and ARNs are escaped once: `-._~` stay, colons and slashes do not."""
    body, request = written(call(stream=stream), model)
    assert request.path == path
    assert request.method == "POST"
    assert "model" not in body
    assert "stream" not in body


def test_system_and_sampling() -> None:
    """Instructions and settings go where Converse has them."""
    given = asked(instructions="Be brief.", max_output_tokens=50, temperature=0.5)
    body, request = written(msgspec.structs.replace(given, stop=["END"]), SONNET_45)
    assert body == {
        "messages": [{"role": "user", "content": [{"text": "Hello."}]}],
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {"maxTokens": 50, "temperature": 0.5, "stopSequences": ["END"]},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }
    assert not request.losses


def test_neighbours_of_one_role_are_one_message_and_the_user_begins() -> None:
    """Converse wants roles to alternate, beginning with the user."""
    items = [Message("assistant", [Text("Hi.")]), Message("user", [Text("a")]), Message("user", [Text(""), Text("b")])]
    body, request = written(call(items=items), NOVA)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][2]["content"] == [{"text": "a"}, {"text": "b"}]
    assert losses(request) == {"input": "changed"}
    assert [message["role"] for message in written(call(items=items), SONNET_45)[0]["messages"]] == [
        "assistant",
        "user",
    ]


def test_system_messages_in_mid_conversation_move_to_the_front() -> None:
    """Converse has one place for them; that they moved is said."""
    items = [Message("developer", [Text("first")]), HELLO, Message("system", [Text("later")])]
    body, request = written(call(items=items, instructions="zeroth"))
    assert body["system"] == [{"text": "zeroth"}, {"text": "first"}, {"text": "later"}]
    assert losses(request) == {"input[2]": "moved"}


def test_images_and_documents_travel_inline() -> None:
    """Bytes with a format; document names keep to the allowed letters and are unique."""
    content = [
        {"type": "input_text", "text": "Look."},
        {"type": "input_image", "image_url": PNG, "detail": "high"},
        {"type": "input_file", "file_data": PDF, "filename": "my_report  v1.2!.pdf"},
        {"type": "input_file", "file_data": TXT, "filename": "my_report v1.2?.txt"},
    ]
    body, request = written(asked(input=[{"role": "user", "content": content}]))
    assert body["messages"][0]["content"] == [
        {"text": "Look."},
        {"image": {"format": "png", "source": {"bytes": base64.b64encode(b"\x89PNG").decode()}}},
        {
            "document": {
                "name": "my report v1 2",
                "format": "pdf",
                "source": {"bytes": base64.b64encode(b"%PDF").decode()},
            }
        },
        {
            "document": {
                "name": "my report v1 2 2",
                "format": "txt",
                "source": {"bytes": base64.b64encode(b"plain").decode()},
            }
        },
    ]
    assert losses(request) == {"input[0].content[1].detail": "dropped"}


def test_a_document_gets_a_text_beside_it() -> None:
    """Converse refuses a document without one."""
    body, _ = written(asked(input=[{"role": "user", "content": [{"type": "input_file", "file_data": PDF}]}]))
    assert [next(iter(block)) for block in body["messages"][0]["content"]] == ["document", "text"]


@pytest.mark.parametrize(
    ("media_type", "filename", "format"),
    [
        ("application/octet-stream", "table.XLSX", "xlsx"),
        ("application/json", None, "txt"),
        ("text/markdown", "notes.txt", "md"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", None, "docx"),
    ],
)
def test_document_formats(media_type: str, filename: str | None, format: str) -> None:
    """The media type says the format, else the file name; what is text anyway goes as text."""
    part = {"type": "input_file", "file_data": f"data:{media_type};base64,YQ==", "filename": filename}
    body, _ = written(asked(input=[{"role": "user", "content": [{"type": "input_text", "text": "x"}, part]}]))
    assert body["messages"][0]["content"][1]["document"]["format"] == format


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "input_image", "image_url": "https://example.com/a.png"}, "input[0].content[0].image_url"),
        ({"type": "input_image", "image_url": "data:image/tiff;base64,YQ=="}, "input[0].content[0].image_url"),
        ({"type": "input_image", "image_url": "data:image/png;base64,"}, "input[0].content[0].image_url"),
        ({"type": "input_image", "file_id": "file_1"}, "input[0].content[0].file_id"),
        ({"type": "input_file", "file_url": "https://example.com/a.pdf"}, "input[0].content[0].file_url"),
        ({"type": "input_file", "file_data": "data:video/mp4;base64,YQ=="}, "input[0].content[0].file_data"),
        ({"type": "input_audio", "data": "YQ=="}, "input[0].content[0]"),
    ],
)
def test_what_cannot_travel_is_refused_by_name(part: dict[str, Any], param: str) -> None:
    """Media are never dropped: the part that cannot be carried is named."""
    with pytest.raises(InvalidRequest) as raised:
        written(asked(input=[{"role": "user", "content": [part]}]))
    assert raised.value.param == param


def test_an_assistant_says_only_text() -> None:
    """An image in an assistant's message is refused by name, as is any part but text in a system message."""
    raw = msgspec.Raw(b"{}")
    for role in ("assistant", "system"):
        with pytest.raises(InvalidRequest) as raised:
            written(call(items=[Message(role, [Opaque("x", raw)])]))  # type: ignore[arg-type]
        assert raised.value.param == "input[0].content[0]"


def test_parallel_calls_and_their_results() -> None:
    """Calls share the assistant's message, results come first in the user's, foreign ids and names are made to fit."""
    items = [
        HELLO,
        ToolCall("call|1", "a.b", '{"x": 1}'),
        ToolCall("c2", "ping", ""),
        Message("user", [Text("And hurry.")]),
        ToolResult("call|1", [Text("one")]),
        ToolResult("c2", [], is_error=True),
    ]
    body, request = written(call(items=items))
    assert losses(request) == {"input[5].output": "changed"}
    uses = [block["toolUse"] for block in body["messages"][1]["content"]]
    results = body["messages"][2]["content"]
    assert uses[0]["input"] == {"x": 1}
    assert uses[1] == {"toolUseId": "c2", "name": "ping", "input": {}}
    assert uses[0]["toolUseId"] == results[0]["toolResult"]["toolUseId"] != "call|1"
    assert uses[0]["name"].startswith("a_b_")
    assert results[1]["toolResult"] == {"toolUseId": "c2", "content": [{"text": "(empty)"}], "status": "error"}
    assert results[2] == {"text": "And hurry."}


def test_arguments_keep_their_bytes() -> None:
    """They are not re-serialised; what is no JSON object is wrapped in one, and reported."""
    items = [HELLO, ToolCall("c1", "ping", '{"b":1.0,"a":12345678901234567890123}'), ToolResult("c1", [Text("x")])]
    _, request = written(call(items=items))
    assert b'"input":{"b":1.0,"a":12345678901234567890123}' in request.body
    body, request = written(call(items=[HELLO, ToolCall("c1", "ping", '{"cut": '), ToolResult("c1", [Text("x")])]))
    assert body["messages"][1]["content"][0]["toolUse"]["input"] == {"INVALID_JSON": '{"cut": '}
    assert [loss.param for loss in request.losses] == ["input[1].arguments"]


def test_tool_results_hold_images_and_documents() -> None:
    """A result may hold what a message may."""
    output = [
        {"type": "input_text", "text": "Here."},
        {"type": "input_image", "image_url": PNG},
        {"type": "input_file", "file_data": PDF},
    ]
    body, _ = written(
        asked(
            input=[
                {"role": "user", "content": "go"},
                {"type": "function_call", "call_id": "c1", "name": "ping", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": output},
            ]
        )
    )
    content = body["messages"][2]["content"][0]["toolResult"]["content"]
    assert [next(iter(block)) for block in content] == ["text", "image", "document"]


@pytest.mark.parametrize(("text", "json"), [('{"t": 1}', {"t": 1}), ("hot", {"output": "hot"})])
def test_mistral_takes_results_as_json_and_alone(text: str, json: dict[str, Any]) -> None:
    """What a family refuses beside tool results goes into a message of its own."""
    items = [*USED_TOOL[:2], ToolResult("c1", [Text(text)]), Message("user", [Text("So?")])]
    body, _ = written(call(items=items), MISTRAL)
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    assert body["messages"][2]["content"] == [{"toolResult": {"toolUseId": "c1", "content": [{"json": json}]}}]


def test_claude_takes_no_document_beside_results() -> None:
    """A document that follows tool results is said in a message of its own, text is not."""
    document = asked(input=[{"role": "user", "content": [{"type": "input_file", "file_data": PDF}]}]).items
    body, _ = written(call(items=[*USED_TOOL, *document]))
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    assert [message["role"] for message in written(call(items=[*USED_TOOL, HELLO]))[0]["messages"]] == [
        "user",
        "assistant",
        "user",
    ]


def test_sealed_reasoning_is_replayed_byte_for_byte() -> None:
    """Text, signature and encrypted blocks go back as they came; unsealed reasoning cannot."""
    items = [
        HELLO,
        Reasoning(summary=["Think\u2028ing  "], seal=Seal("c2ln+/==", "bedrock", "s", "thinking")),
        Reasoning(seal=Seal("cmVk", "bedrock", "s", "redacted")),
        Reasoning(content=["unsigned"]),
        Message("assistant", [Text("Hi.")]),
        HELLO,
    ]
    body, request = written(call(items=items))
    assert body["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Think\u2028ing  ", "signature": "c2ln+/=="}}},
        {"reasoningContent": {"redactedContent": "cmVk"}},
        {"text": "Hi."},
    ]
    assert losses(request) == {"input[3]": "dropped"}


@pytest.mark.parametrize("maker", [SONNET_45, NOVA_2, "openai.gpt-oss-120b-1:0", "us.deepseek.r1-v1:0"])
@pytest.mark.parametrize("reader", [OPUS_48, NOVA_2, "openai.gpt-oss-20b-1:0", "us.deepseek.r1-v1:0"])
def test_sealed_reasoning_stays_within_a_family_of_models(maker: str, reader: str) -> None:
    """All stand behind one credential, but a signature of Claude's says nothing to Nova."""
    block = {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}}
    body = {
        "output": {"message": {"content": [block]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1},
    }
    events = CONVERSE.answer(json.dumps(body).encode(), call(), target(maker))
    kind = next(event.kind for event in events if isinstance(event, ReasoningSealed))
    items = [
        HELLO,
        Reasoning(["Hm"], seal=Seal("c2ln", "bedrock", "s", kind)),
        Message("assistant", [Text("Hi.")]),
        HELLO,
    ]
    sent, request = written(call(items=items), reader)
    same = (maker, reader) in {
        (SONNET_45, OPUS_48),
        ("openai.gpt-oss-120b-1:0", "openai.gpt-oss-20b-1:0"),
    } or maker == reader
    assert (block in sent["messages"][1]["content"]) is same
    assert losses(request) == ({} if same else {"input[1]": "dropped"})


@pytest.mark.parametrize(
    ("model", "ttl", "marker", "lost"),
    [
        (SONNET_45, "5m", {"type": "default"}, {}),
        (SONNET_45, "1h", {"type": "default", "ttl": "1h"}, {}),
        (NOVA, "1h", {"type": "default"}, {"input[0].content[0].cache_control": "changed"}),
        (LLAMA, "5m", None, {"input[0].content[0].cache_control": "dropped"}),
    ],
)
def test_cache_points(model: str, ttl: Any, marker: dict[str, str] | None, lost: dict[str, str]) -> None:
    """A marker becomes a cache point after its block, where the model has a prompt cache."""
    body, request = written(call(items=[Message("user", [Text("a", Cache(ttl)), Text("b")])]), model)
    points = [block["cachePoint"] for block in body["messages"][0]["content"] if "cachePoint" in block]
    assert points == ([marker] if marker else [])
    assert losses(request) == lost


def test_cache_points_of_system_tools_results_and_the_whole_request() -> None:
    """Markers stand where Converse has a place: after system blocks, tools, results and at the end."""
    given = asked(
        input=[
            {
                "role": "system",
                "content": [{"type": "input_text", "text": "s", "cache_control": {"type": "ephemeral"}}],
            },
            {"role": "user", "content": "go"},
            {"type": "function_call", "call_id": "c1", "name": "ping", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "pong", "cache_control": {"type": "ephemeral"}},
            {"role": "user", "content": "more"},
        ],
        tools=[{"type": "function", "name": "ping", "cache_control": {"type": "ephemeral"}}],
        cache_control={"type": "ephemeral"},
    )
    body, request = written(given)
    point = {"cachePoint": {"type": "default"}}
    assert body["system"] == [{"text": "s"}, point]
    assert body["toolConfig"]["tools"][1] == point
    assert [next(iter(block)) for block in body["messages"][-1]["content"]] == [
        "toolResult",
        "cachePoint",
        "text",
        "cachePoint",
    ]
    assert not request.losses
    _, request = written(given, NOVA)
    assert losses(request) == {"tools[0].cache_control": "dropped"}


def test_no_cache_point_outlives_one_before_it() -> None:
    """Bedrock refuses that; what stands before an hour's is kept for an hour anyway."""
    hour = {"type": "default", "ttl": "1h"}
    parts = [Text("a", Cache()), Text("b", Cache("1h")), Text("c", Cache())]
    body, request = written(call(items=[Message("user", parts)]), SONNET_45)
    points = [block["cachePoint"] for block in body["messages"][0]["content"] if "cachePoint" in block]
    assert points == [hour, hour, {"type": "default"}]
    assert losses(request) == {"cache_control": "changed"}


def test_four_cache_points_at_most() -> None:
    """Bedrock refuses more; the latest ones cover what the earlier ones did. A marker on nothing marks what was before."""
    marked = [Text(letter, Cache()) for letter in "abcd"]
    items = [Message("system", [Text("s", Cache())]), Message("user", [*marked, Text("", Cache()), Text(" ")])]
    body, request = written(call(items=items))
    assert body["system"] == [{"text": "s"}]
    assert [next(iter(block)) for block in body["messages"][0]["content"]] == ["text", "cachePoint"] * 4
    assert losses(request) == {"cache_control": "dropped"}


def test_no_cache_point_follows_a_document_that_is_no_pdf() -> None:
    """Bedrock refuses one there, so it goes before such documents."""
    content = [
        {"type": "input_text", "text": "x"},
        {"type": "input_file", "file_data": TXT, "cache_control": {"type": "ephemeral"}},
    ]
    body, _ = written(asked(input=[{"role": "user", "content": content}]))
    assert [next(iter(block)) for block in body["messages"][0]["content"]] == ["text", "cachePoint", "document"]
    body, request = written(asked(input=[{"role": "user", "content": content[1:]}]))
    assert [next(iter(block)) for block in body["messages"][0]["content"]] == ["document", "text"]
    assert losses(request) == {"input[0].content[0].cache_control": "dropped"}


def test_fields_without_a_place_are_reported() -> None:
    """Nothing is lost in silence; defaults are no loss."""
    given = asked(
        presence_penalty=1.0,
        frequency_penalty=0,
        top_logprobs=3,
        text={"verbosity": "low"},
        truncation="auto",
        user="u",
        safety_identifier="s",
        prompt_cache_key="k",
        max_tool_calls=2,
        service_tier="scale",
        temperature=1.5,
        metadata={"team": "a", "odd": "ä"},
    )
    body, request = written(given)
    assert losses(request) == {
        "presence_penalty": "dropped",
        "text.verbosity": "dropped",
        "top_logprobs": "dropped",
        "max_tool_calls": "dropped",
        "truncation": "dropped",
        "user": "dropped",
        "safety_identifier": "dropped",
        "prompt_cache_key": "dropped",
        "service_tier": "dropped",
        "temperature": "changed",
        "metadata.odd": "dropped",
    }
    assert body["inferenceConfig"] == {"temperature": 1}
    assert body["requestMetadata"] == {"team": "a"}


def test_settings_of_the_row_and_the_service_tier() -> None:
    """A provider's row may add a guardrail and a latency; a tier that Bedrock has is asked for."""
    arn = "arn:aws:bedrock:us-east-1:123456789012:guardrail/g1:3"
    body, _ = written(call(service_tier="flex"), quirks={"guardrail": arn, "latency": "optimized"})
    assert body["serviceTier"] == {"type": "flex"}
    assert body["performanceConfig"] == {"latency": "optimized"}
    assert body["guardrailConfig"] == {"guardrailIdentifier": arn.rpartition(":")[0], "guardrailVersion": "3"}
    assert "serviceTier" not in written(call(service_tier="auto"))[0]


@pytest.mark.parametrize(
    ("model", "fields", "lost"),
    [
        (HAIKU_3, {"top_k": 5}, {}),
        (NOVA, {"inferenceConfig": {"topK": 5}}, {}),
        (LLAMA, None, {"top_k": "dropped"}),
    ],
)
def test_top_k_goes_where_the_family_has_it(model: str, fields: dict[str, Any] | None, lost: dict[str, str]) -> None:
    """Converse itself has no place for it."""
    body, request = written(call(top_k=5), model)
    assert body.get("additionalModelRequestFields") == fields
    assert losses(request) == lost


def test_a_call_without_anything_to_answer_is_refused() -> None:
    """Only instructions are no conversation."""
    for given in (call(items=[Message("user", [Text("")])]), call(items=[Message("system", [Text("s")])])):
        with pytest.raises(InvalidRequest) as raised:
            written(given)
        assert raised.value.param == "input"


def test_web_search_is_novas_alone() -> None:
    """Nova 2's grounding is the one search Converse has; its filters and other models' searches are refused by name."""
    search: dict[str, Any] = {
        "type": "web_search",
        "search_context_size": "low",
        "user_location": {"type": "approximate"},
    }
    body, request = written(asked(tools=[search]), NOVA_2)
    assert body["toolConfig"] == {"tools": [{"systemTool": {"name": "nova_grounding"}}]}
    assert set(losses(request)) == {"tools[0].search_context_size", "tools[0].user_location"}
    for model, tool, param in (
        (SONNET_45, search, "tools[0].type"),
        (NOVA_2, {**search, "filters": {"allowed_domains": ["a.com"]}}, "tools[0].filters"),
        (NOVA_2, {"type": "file_search"}, "tools[0].type"),
    ):
        with pytest.raises(InvalidRequest) as raised:
            written(asked(tools=[tool]), model)
        assert raised.value.param == param


def test_every_call_field_is_used_or_reported() -> None:
    """A new field of `Call` must be carried or reported here too."""
    known = {
        "model", "items", "stream", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_tool_calls",
        "max_output_tokens", "temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "seed", "stop",
        "format", "verbosity", "reasoning", "top_logprobs", "include", "truncation", "store", "metadata", "user",
        "safety_identifier", "service_tier", "prompt_cache_key", "prompt_cache_retention", "cache", "extra", "native",
        "routing", "lowers_output",
    }  # fmt: skip
    assert set(Call.__struct_fields__) == known
