"""Cohere's stream events, whole answers and errors -> events."""

import json

import msgspec
import pytest

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.cohere_chat import CohereChat
from services.catalog.schema import Provider, Target
from services.vocabulary.call import Call, CustomTool, Format, FunctionTool, Message, Text
from services.vocabulary.event import (
    Citation,
    Event,
    Finished,
    ItemDone,
    ReasoningDelta,
    ReasoningSealed,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.usage import Usage

DIALECT = CohereChat()
TARGET = Target(Provider("cohere", "Cohere", "cohere_chat", "http://cohere.test"), "cohere_chat", "m", "m")
CALL = Call(model="m", items=[Message("user", [Text("Hi")])])
USAGE = {
    "billed_units": {"input_tokens": 10, "output_tokens": 4},
    "tokens": {"input_tokens": 510, "output_tokens": 9, "reasoning_tokens": 3},
    "cached_tokens": 2,
}
COUNTED = UsageReported(Usage(input=8, cache_read=2, output=4, reasoning=3))
END = [COUNTED, Finished("stop")]


def event(kind: str, message: dict | None = None, index: int | None = None, **delta: object) -> dict:
    inner = {**({"message": message} if message is not None else {}), **delta}
    return {"type": kind, **({"index": index} if index is not None else {}), **({"delta": inner} if inner else {})}


START = {
    **event("message-start", {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}),
    "id": "1",
}


def text(piece: str, index: int = 0) -> dict:
    return event("content-delta", {"content": {"text": piece}}, index)


def thought(piece: str, index: int = 0) -> dict:
    return event("content-delta", {"content": {"thinking": piece}}, index)


def plan(piece: str) -> dict:
    return event("tool-plan-delta", {"tool_plan": piece})


def begin(index: int, call_id: str, name: str, arguments: str = "") -> dict:
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return event("tool-call-start", {"tool_calls": call}, index)


def more(index: int, arguments: str) -> dict:
    return event("tool-call-delta", {"tool_calls": {"function": {"arguments": arguments}}}, index)


def over(index: int) -> dict:
    return event("tool-call-end", index=index)


def finish(reason: str = "COMPLETE", **more: object) -> dict:
    return event("message-end", finish_reason=reason, usage=USAGE, **more)


def sse(*events: dict | str) -> bytes:
    return b"".join(
        f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() if isinstance(e, dict) else f"data: {e}\n\n".encode()
        for e in events
    )


def decode(raw: bytes, call: Call = CALL, size: int = 1 << 20) -> list[Event]:
    framer, decoder = DIALECT.framing(call)(), DIALECT.decoder(call, TARGET)
    events: list[Event] = []
    for start in range(0, len(raw), size):
        for frame in framer.feed(raw[start : start + size]):
            events += decoder.feed(frame)
    for frame in framer.close():
        events += decoder.feed(frame)
    return [*events, *decoder.close()]


def cited(start: int, end: int, **more: object) -> dict:
    sources = [{"type": "document", "id": "doc:0", "document": {"title": "A", "url": "https://a.test"}}]
    return {"start": start, "end": end, "text": "Hi", "sources": sources, "type": "TEXT_CONTENT", **more}


STREAMS = {
    "text": (
        [
            START,
            event("content-start", {"content": {"type": "text", "text": ""}}, 0),
            text("Hel"),
            text("lo"),
            event("content-end", index=0),
            finish(),
        ],
        [TextDelta("Hel"), TextDelta("lo"), *END],
    ),
    "thinking, then text": (
        [START, thought("Hm"), event("content-end", index=0), text("Hi", 1), finish()],
        [ReasoningDelta("Hm", "content"), TextDelta("Hi"), *END],
    ),
    "plan and calls": (
        [
            START,
            plan("I will"),
            plan(" look"),
            begin(0, "a", "f"),
            more(0, '{"x":'),
            more(0, "1}"),
            over(0),
            begin(1, "b", "g"),
            over(1),
            finish("TOOL_CALL"),
        ],
        [
            ReasoningDelta("I will", "content"),
            ReasoningDelta(" look", "content"),
            ReasoningSealed("", "plan"),
            ToolCallStarted("0", "a", "f"),
            ToolCallDelta("0", '{"x":'),
            ToolCallDelta("0", "1}"),
            ToolCallDone("0"),
            ToolCallStarted("1", "b", "g"),
            ToolCallDelta("1", "{}"),
            ToolCallDone("1"),
            COUNTED,
            Finished("tool_calls"),
        ],
    ),
    "thinking, then a plan: two items; a call without an end": (
        [START, thought("Hm"), plan("Look"), begin(0, "a", "f", "{}"), finish("TOOL_CALL")],
        [
            ReasoningDelta("Hm", "content"),
            ItemDone(),
            ReasoningDelta("Look", "content"),
            ReasoningSealed("", "plan"),
            ToolCallStarted("0", "a", "f"),
            ToolCallDelta("0", "{}"),
            ToolCallDone("0"),
            COUNTED,
            Finished("tool_calls"),
        ],
    ),
    "a plan alone": (
        [START, plan("Look"), finish()],
        [ReasoningDelta("Look", "content"), ReasoningSealed("", "plan"), *END],
    ),
    "citations: of the block they name, of text only": (
        [
            START,
            thought("Hm"),
            text("Hi ", 1),
            event("citation-start", {"citations": cited(0, 2, content_index=1)}, 0),
            event("citation-end", index=0),
            text("Hi", 2),
            event("citation-start", {"citations": cited(0, 2, content_index=2)}, 1),
            event("citation-start", {"citations": cited(0, 2, type="PLAN")}, 2),
            event("citation-start", {"citations": cited(0, 2, content_index=7)}, 3),
            finish(),
        ],
        [
            ReasoningDelta("Hm", "content"),
            TextDelta("Hi "),
            Citation("https://a.test", "A", "Hi", start=0, end=2),
            TextDelta("Hi"),
            Citation("https://a.test", "A", "Hi", start=3, end=5),
            *END,
        ],
    ),
    "unknown events, and what follows the end": (
        [START, {"type": "debug", "prompt": "x"}, {"type": "new-thing"}, text("Hi"), finish(), text("more")],
        [TextDelta("Hi"), *END],
    ),
}


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("name", STREAMS)
def test_streams(name, size):
    """The same events, however the bytes arrive, and with or without [DONE]."""
    chunks, events = STREAMS[name]
    assert decode(sse(*chunks, "[DONE]"), size=size) == events
    assert decode(sse(*chunks), size=size) == events


def test_a_citation_of_a_tools_output_names_the_tool():
    """It has no address."""
    source = {"type": "tool", "id": "f_1:0", "tool_output": {"content": "42"}}
    mark = {"start": 0, "end": 2, "text": "Hi", "sources": [source]}
    events = decode(sse(START, text("Hi"), event("citation-start", {"citations": mark}, 0), finish()))
    assert events[1] == Citation(None, "f_1:0", "Hi", start=0, end=2)


@pytest.mark.parametrize(
    ("reason", "finished"),
    [
        ("COMPLETE", Finished("stop")),
        ("STOP_SEQUENCE", Finished("stop", "END")),
        ("MAX_TOKENS", Finished("length")),
        ("ERROR_TOXIC", Finished("content_filter")),
    ],
)
def test_finish_reasons(reason, finished):
    """The stop sequence is known where only one was given."""
    assert decode(sse(START, text("Hi"), finish(reason)), msgspec.structs.replace(CALL, stop=["END"]))[-1] == finished


CUSTOM = Call(model="m", items=[], tools=[CustomTool("sh")])
SCHEMA = Call(model="m", items=[], tools=[FunctionTool("f")], format=Format("json_schema", "city", msgspec.Raw(b"{}")))


def test_custom_calls_come_back_as_such():
    """Unwrapped when whole."""
    chunks = [START, begin(0, "a", "sh"), more(0, '{"input":'), more(0, '"ls"}'), over(0), finish("TOOL_CALL")]
    assert decode(sse(*chunks), CUSTOM)[:3] == [
        ToolCallStarted("0", "a", "sh", custom=True),
        ToolCallDelta("0", "ls"),
        ToolCallDone("0"),
    ]


def test_an_answer_asked_for_as_a_call_comes_back_as_text():
    """And the client sees no call."""
    chunks = [START, begin(0, "a", "city"), more(0, '{"a"'), more(0, ":1}"), over(0), finish("TOOL_CALL")]
    assert decode(sse(*chunks), SCHEMA) == [TextDelta('{"a"'), TextDelta(":1}"), *END]


def test_a_whole_answer():
    """In the order of a stream."""
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    message = {"role": "assistant", "tool_plan": "Look", "tool_calls": calls}
    body = {"id": "1", "message": message, "finish_reason": "TOOL_CALL", "usage": USAGE}
    assert DIALECT.answer(json.dumps(body).encode(), CALL, TARGET) == [
        ReasoningDelta("Look", "content"),
        ReasoningSealed("", "plan"),
        ToolCallStarted("0", "a", "f"),
        ToolCallDelta("0", "{}"),
        ToolCallDone("0"),
        COUNTED,
        Finished("tool_calls"),
    ]
    content = [{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hi"}]
    body = {"message": {"content": content, "citations": [cited(0, 2, content_index=1)]}, "finish_reason": "COMPLETE"}
    assert DIALECT.answer(json.dumps(body).encode(), CALL, TARGET) == [
        ReasoningDelta("Hm", "content"),
        TextDelta("Hi"),
        Citation("https://a.test", "A", "Hi", start=0, end=2),
        Finished("stop"),
    ]


def test_usage_without_billed_units_is_what_was_counted():
    """Old models say only that."""
    usage = {"tokens": {"input_tokens": 7.0, "output_tokens": 2.0}}
    assert UsageReported(Usage(input=7, output=2)) in decode(
        sse(event("message-end", finish_reason="COMPLETE", usage=usage))
    )


# ---- what goes wrong -------------------------------------------------------------------------------------------------

WHOLE = sse(START, text("Hi"), finish())


@pytest.mark.parametrize("size", range(0, len(WHOLE) - 2, 5))
def test_every_cut_is_an_error(size):
    """Wherever the bytes end before the end."""
    with pytest.raises(UpstreamError) as error:
        decode(WHOLE[:size])
    assert error.value.kind in (Kind.TRUNCATED, Kind.PROTOCOL)


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        (finish("ERROR", error="bad tools", error_type="INVALID_TOOL_GENERATION"), Kind.FAILED),
        (finish("TIMEOUT"), Kind.TIMEOUT),
        (finish("ERROR_LIMIT"), Kind.CALLER),
        (finish("NOVEL"), Kind.FAILED),
        (event("message-end"), Kind.FAILED),
        (more(3, "{}"), Kind.PROTOCOL),
        (over(3), Kind.PROTOCOL),
        ('{"id":"1","message":"internal"}', Kind.FAILED),
        ("not json", Kind.PROTOCOL),
    ],
)
def test_failures_in_a_stream(sent, kind):
    """In the provider's own words."""
    with pytest.raises(UpstreamError) as error:
        decode(sse(START, text("Hi"), sent))
    assert error.value.kind is kind
    assert error.value.message


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"id":"1","message":"boom"}', Kind.FAILED),
        (b'{"message":{"content":[]}}', Kind.PROTOCOL),
        (b"{}", Kind.PROTOCOL),
        (b"<html>", Kind.PROTOCOL),
        (b'{"message":{},"finish_reason":"ERROR"}', Kind.FAILED),
    ],
)
def test_answers_that_are_none(raw, kind):
    """An error, never an empty success."""
    with pytest.raises(UpstreamError) as error:
        DIALECT.answer(raw, CALL, TARGET)
    assert error.value.kind is kind


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (400, b'{"id":"1","message":"too many tokens","error_type":"TOO_MANY_TOKENS"}', Kind.CALLER, "too many tokens"),
        (401, b'{"message":"no api key supplied"}', Kind.CREDENTIAL, "no api key supplied"),
        (404, b'{"message":"no such model"}', Kind.UNAVAILABLE, "no such model"),
        (422, b'{"message":"invalid"}', Kind.CALLER, "invalid"),
        (429, b'{"message":"slow"}', Kind.RATE_LIMITED, "slow"),
        (498, b"{}", Kind.CREDENTIAL, "status 498"),
        (500, b"oops", Kind.UNAVAILABLE, "oops"),
        (503, b"<html>", Kind.UNAVAILABLE, "status 503"),
        (504, b"\xff", Kind.TIMEOUT, "\ufffd"),
    ],
)
def test_http_errors(status, body, kind, message):
    """By status, in the provider's words."""
    error = DIALECT.error(status, {"retry-after": "3"}, body)
    assert (error.kind, error.message, error.status, error.retry_after) == (kind, message, status, 3)
