"""Chunks and whole answers -> events."""

import json

import msgspec
import pytest

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.openai_chat import OpenAIChat
from services.catalog.schema import Facts
from services.vocabulary.call import Call, CustomTool, Format, Message, Text, WebSearchTool
from services.vocabulary.event import (
    Citation,
    Event,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.usage import Usage
from services.wire.frame import Frame
from tests.adapters.openai_chat_rows import LOCAL, OPENAI, target

DIALECT = OpenAIChat()
CALL = Call(model="m", items=[Message("user", [Text("Hi")])])
COUNTS = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
END = [UsageReported(Usage(input=10, output=4)), Finished("stop")]


def sse(*chunks: object) -> bytes:
    """A stream; a string goes out as it is."""
    return b"".join(f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n".encode() for chunk in chunks)


def chunk(delta: dict | None = None, finish: str | None = None, **more: object) -> dict:
    return {"choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish}], **more}


def stop(finish: str = "stop") -> dict:
    return chunk(finish=finish, usage=COUNTS)


def decode(raw: bytes, call: Call = CALL, to=None, size: int = 1 << 20) -> list[Event]:
    to = to or target(LOCAL)
    framer, decoder = DIALECT.framing(call)(), DIALECT.decoder(call, to)
    events: list[Event] = []
    for start in range(0, len(raw), size):
        for frame in framer.feed(raw[start : start + size]):
            events += decoder.feed(frame)
    for frame in framer.close():
        events += decoder.feed(frame)
    return [*events, *decoder.close()]


def answer(message: dict, finish: str | None = "stop", call: Call = CALL, to=None, **more: object) -> list[Event]:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    raw = json.dumps({"object": "chat.completion", "choices": [choice], "usage": COUNTS, **more}).encode()
    return list(DIALECT.answer(raw, call, to or target(LOCAL)))


def calls(*pieces: dict) -> dict:
    return {"tool_calls": list(pieces)}


def piece(index: int | None, call_id: str | None, name: str | None, arguments: object) -> dict:
    function = {"name": name, "arguments": arguments}
    given = {"index": index, "id": call_id, "function": {k: v for k, v in function.items() if v is not None}}
    return {k: v for k, v in given.items() if v is not None}


def start(key: str, call_id: str, name: str, *arguments: str) -> list[Event]:
    return [ToolCallStarted(key, call_id, name), *(ToolCallDelta(key, text) for text in arguments)]


STREAMS = {
    "text": (
        [chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}), chunk({"content": "lo"}), stop()],
        [TextDelta("Hel"), TextDelta("lo"), *END],
    ),
    "usage in a chunk of its own, after an empty filter chunk (Azure)": (
        [
            {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
            chunk({"content": "Hi"}, usage=None),
            chunk(finish="stop"),
            {"choices": [], "usage": COUNTS},
        ],
        [TextDelta("Hi"), *END],
    ),
    "usage in several chunks (Hugging Face)": (
        [
            chunk({"content": "Hi"}),
            chunk(finish="stop", usage=COUNTS, x_groq={"usage": COUNTS}),
            {"choices": [], "usage": COUNTS},
        ],
        [TextDelta("Hi"), *END],
    ),
    "Workers AI: fields of its own, counts that grow with every chunk": (
        [
            chunk({"role": "assistant", "content": ""}, id="id-1", model="@cf/acme/m", logprobs=None),
            chunk({"reasoning_content": "Hm", "token_ids": None}, usage=COUNTS | {"completion_tokens": 1}),
            chunk({"content": "Hi"}, usage=COUNTS | {"completion_tokens": 2}, p="abcdef"),
            chunk({"content": ""}, "stop"),
            {"choices": [], "usage": {**COUNTS, "prompt_tokens_details": {"cached_tokens": 0}}},
        ],
        [ReasoningDelta("Hm", "content"), TextDelta("Hi"), *END],
    ),
    "usage only in Groq's place": ([chunk(finish="stop", x_groq={"id": "r", "usage": COUNTS})], END),
    "reasoning_content": (
        [chunk({"reasoning_content": "Hm"}), chunk({"content": "Hi"}), stop()],
        [ReasoningDelta("Hm", "content"), TextDelta("Hi"), *END],
    ),
    "reasoning, said twice": (
        [chunk({"reasoning": "Hm", "reasoning_content": "Hm"}), stop()],
        [ReasoningDelta("Hm", "content"), *END],
    ),
    "thinking in lists (Mistral)": (
        [
            chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]}),
            chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": ""}], "closed": True}]}),
            chunk({"content": [{"type": "text", "text": "Hi"}]}),
            stop(),
        ],
        [ReasoningDelta("Hm", "content"), TextDelta("Hi"), *END],
    ),
    "think tags stay text": (
        [chunk({"content": "<think>a</think>b"}), stop()],
        [TextDelta("<think>a</think>b"), *END],
    ),
    "refusal": (
        [chunk({"refusal": "No"}), chunk({"refusal": "."}), stop()],
        [RefusalDelta("No"), RefusalDelta("."), END[0], Finished("refusal")],
    ),
    "one whole call (xAI)": (
        [chunk(calls(piece(0, "a", "f", '{"x":1}'))), stop("tool_calls")],
        [*start("0", "a", "f", '{"x":1}'), ToolCallDone("0"), END[0], Finished("tool_calls")],
    ),
    "whole call and finish in one chunk, without index (Mistral)": (
        [chunk(calls(piece(None, "a", "f", "{}"), piece(None, "b", "g", "{}")), "tool_calls", usage=COUNTS)],
        [
            *start("0", "a", "f", "{}"),
            *start("1", "b", "g", "{}"),
            ToolCallDone("0"),
            ToolCallDone("1"),
            END[0],
            Finished("tool_calls"),
        ],
    ),
    "interleaved calls": (
        [
            chunk(calls(piece(0, "a", "f", ""))),
            chunk(calls(piece(1, "b", "g", ""))),
            chunk(calls(piece(0, None, None, "{}"))),
            chunk(calls(piece(1, None, None, "[]"))),
            stop("tool_calls"),
        ],
        [
            *start("0", "a", "f"),
            *start("1", "b", "g"),
            ToolCallDelta("0", "{}"),
            ToolCallDelta("1", "[]"),
            ToolCallDone("0"),
            ToolCallDone("1"),
            END[0],
            Finished("tool_calls"),
        ],
    ),
    "id and name repeated, ids invented anew": (
        [
            chunk(calls(piece(0, "a", "f", "{"))),
            chunk(calls(piece(0, "a", "f", "}"))),
            chunk(calls(piece(0, "zz", None, " "))),
            stop("tool_calls"),
        ],
        [
            *start("0", "a", "f", "{", "}"),
            ToolCallDelta("0", " "),
            ToolCallDone("0"),
            END[0],
            Finished("tool_calls"),
        ],
    ),
    "every call numbered 0": (
        [chunk(calls(piece(0, "a", "f", "{}"))), chunk(calls(piece(0, "b", "f", "{}"))), stop("tool_calls")],
        [
            *start("0", "a", "f", "{}"),
            *start("1", "b", "f", "{}"),
            ToolCallDone("0"),
            ToolCallDone("1"),
            END[0],
            Finished("tool_calls"),
        ],
    ),
    "no index: later pieces belong to the last call": (
        [
            chunk(calls(piece(None, "a", "f", "{"))),
            chunk(calls(piece(None, None, None, "}"))),
            chunk(calls(piece(None, "a", None, " "))),
            stop("tool_calls"),
        ],
        [*start("0", "a", "f", "{", "}", " "), ToolCallDone("0"), END[0], Finished("tool_calls")],
    ),
    "no id, name after the arguments, no arguments": (
        [
            chunk(calls(piece(0, None, None, "{}"))),
            chunk(calls(piece(0, None, "f", None))),
            chunk(calls(piece(1, None, "g", ""))),
            stop("stop"),
        ],
        [
            *start("0", "", "f", "{}"),
            *start("1", "", "g"),
            ToolCallDone("0"),
            ToolCallDelta("1", "{}"),
            ToolCallDone("1"),
            END[0],
            Finished("tool_calls"),
        ],
    ),
    "arguments as an object": (
        [chunk(calls(piece(0, "a", "f", {"b": 1.0, "a": 2}))), stop("tool_calls")],
        [*start("0", "a", "f", '{"b":1.0,"a":2}'), ToolCallDone("0"), END[0], Finished("tool_calls")],
    ),
    "other choices, unknown fields, nulls, an empty finish reason": (
        [
            {"choices": [{"index": 1, "delta": {"content": "other"}}], "obfuscation": "x", "p": "abc"},
            {"choices": [{"index": 0, "delta": {"content": "Hi", "tool_calls": None}, "finish_reason": ""}]},
            {"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}], "usage": COUNTS, "error": None},
        ],
        [TextDelta("Hi"), *END],
    ),
    "sources of the whole text, in every chunk (xAI)": (
        [
            chunk({"content": "Hi"}, citations=["https://a.test"]),
            chunk(finish="stop", citations=["https://a.test", "https://b.test"], usage=COUNTS),
        ],
        [TextDelta("Hi"), Citation("https://a.test"), Citation("https://b.test"), *END],
    ),
    "no usage at all": (
        [chunk({"content": "Hi"}, "stop")],
        [TextDelta("Hi"), Finished("stop")],
    ),
}


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("name", STREAMS)
def test_streams(name, size):
    """The same events, however the bytes arrive."""
    chunks, events = STREAMS[name]
    merged = msgspec.json.encode(events)
    assert msgspec.json.encode(decode(sse(*chunks, "[DONE]"), size=size)) == merged


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("tool_calls", "stop"),
        ("eos_token", "stop"),
    ],
)
def test_finish_reasons(finish, reason):
    """Of an answer without calls."""
    assert decode(sse(chunk({"content": "Hi"}), stop(finish), "[DONE]"))[-1] == Finished(reason)


LOGPROBS = {"content": [{"token": "Hi", "logprob": -0.5, "bytes": [72], "top_logprobs": []}], "refusal": None}


def test_logprobs_come_with_their_text():
    """As raw bytes; empty ones say nothing."""
    first = chunk({"content": ""})
    first["choices"][0]["logprobs"] = {"content": [], "refusal": None}
    second = chunk({"content": "Hi"})
    second["choices"][0]["logprobs"] = LOGPROBS
    text, *end = decode(sse(first, second, stop(), "[DONE]"))
    assert (text.text, msgspec.json.decode(text.logprobs), end) == ("Hi", LOGPROBS["content"], END)


def test_a_search_models_citations_and_its_search():
    """Positions count characters; the search is charged for though it is never named."""
    note = {
        "type": "url_citation",
        "url_citation": {"url": "https://a.test", "title": "A", "start_index": 0, "end_index": 2},
    }
    searching = Call(model="m", items=[], tools=[WebSearchTool()])
    events = decode(sse(chunk({"content": "Hi"}), chunk({"annotations": [note]}), stop(), "[DONE]"), searching)
    assert events[1] == Citation("https://a.test", "A", start=0, end=2)
    assert events[2] == UsageReported(Usage(input=10, output=4, web_searches=1))
    assert answer({"content": "Hi", "annotations": [note]}, call=searching) == events


def test_sources_wait_for_a_text():
    """A list of sources in the first chunk is the source of nothing yet; with calls alone it never is."""
    sources = {"citations": ["https://a.test"]}
    assert decode(sse(chunk({"content": ""}, **sources), chunk({"content": "Hi"}, **sources), stop(), "[DONE]"))[
        :2
    ] == [
        TextDelta("Hi"),
        Citation("https://a.test"),
    ]
    only_calls = decode(sse(chunk(calls(piece(0, "a", "f", "{}")), **sources), stop("tool_calls"), "[DONE]"))
    assert not any(isinstance(event, Citation) for event in only_calls)


def test_references_of_text_parts():
    """Each source once."""
    part = {
        "type": "text",
        "text": "Hi",
        "references": [{"url": "https://a.test"}, {"title": "B"}, {"url": "https://a.test"}],
    }
    assert answer({"content": [part]})[1:3] == [Citation("https://a.test"), Citation(title="B")]


# ---- custom tools and answers that were asked for as calls -----------------------------------------------------------

CUSTOM = Call(model="m", items=[], tools=[CustomTool("sh")])


def test_native_custom_calls():
    """Free text as it comes."""
    piece_ = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    events = decode(sse(chunk(calls(piece_)), stop("tool_calls"), "[DONE]"), CUSTOM, target(OPENAI))
    assert events[:3] == [ToolCallStarted("0", "a", "sh", custom=True), ToolCallDelta("0", "ls"), ToolCallDone("0")]


@pytest.mark.parametrize(
    ("pieces", "text"),
    [(['{"inp', 'ut":"ls\\n"}'], "ls\n"), (["ls"], "ls"), (['{"other":1}'], '{"other":1}'), ([], "")],
)
def test_emulated_custom_calls_come_back_as_custom_calls(pieces, text):
    """What is not of the asked shape stays as it is."""
    chunks = [chunk(calls(piece(0, "a", "sh", "")))] + [chunk(calls(piece(0, None, None, p))) for p in pieces]
    events = decode(sse(*chunks, stop("tool_calls"), "[DONE]"), CUSTOM)
    assert events[:3] == [ToolCallStarted("0", "a", "sh", custom=True), ToolCallDelta("0", text), ToolCallDone("0")]


SCHEMA = Call(model="m", items=[], format=Format("json_schema", "city", msgspec.Raw(b"{}")))


def test_an_answer_asked_for_as_a_call_comes_back_as_text():
    """And the client sees no call."""
    to = target(LOCAL, Facts(json_schema=False))
    chunks = [chunk(calls(piece(0, "a", "city", '{"a"'))), chunk(calls(piece(0, None, None, ":1}")))]
    assert decode(sse(*chunks, stop("tool_calls"), "[DONE]"), SCHEMA, to) == [TextDelta('{"a"'), TextDelta(":1}"), *END]
    late = [chunk(calls(piece(0, None, None, "{}"))), chunk(calls(piece(0, "a", "city", None)))]
    assert decode(sse(*late, stop("tool_calls"), "[DONE]"), SCHEMA, to) == [TextDelta("{}"), *END]


# ---- whole answers ---------------------------------------------------------------------------------------------------


def test_a_whole_answer_is_read_as_a_stream_of_one_delta():
    """Reasoning, text, calls, in this order."""
    message = {
        "role": "assistant",
        "content": "Hi",
        "reasoning_content": "Hm",
        **calls(piece(None, "a", "f", "")),
    }
    assert answer(message, "tool_calls") == [
        ReasoningDelta("Hm", "content"),
        TextDelta("Hi"),
        *start("0", "a", "f"),
        ToolCallDelta("0", "{}"),
        ToolCallDone("0"),
        END[0],
        Finished("tool_calls"),
    ]


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"choices":[{"message":{"content":"x"},"finish_reason":null}]}', Kind.PROTOCOL),
        (b'{"choices":[]}', Kind.PROTOCOL),
        (b"{}", Kind.PROTOCOL),
        (b"<html>", Kind.PROTOCOL),
        (b'{"choices":7}', Kind.PROTOCOL),
        (b'{"error":{"message":"boom","type":"server_error"}}', Kind.UNAVAILABLE),
        (b'{"choices":[{"message":{},"finish_reason":"error"}]}', Kind.FAILED),
    ],
)
def test_answers_that_are_none(raw, kind):
    """An error, never an empty success."""
    with pytest.raises(UpstreamError) as error:
        DIALECT.answer(raw, CALL, target(LOCAL))
    assert error.value.kind is kind


# ---- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 2}, Usage(input=9, output=2)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 2,
                "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            },
            Usage(input=2, cache_read=4, cache_write_5m=3, output=2),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "total_tokens": 14,
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(input=9, output=5, reasoning=3),
        ),
        (  # xAI: reasoning beside the completion
            {
                "prompt_tokens": 9,
                "completion_tokens": 5,
                "total_tokens": 17,
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(input=9, output=8, reasoning=3),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 2, "num_cached_tokens": 4}, Usage(input=5, cache_read=4, output=2)),
        ({"prompt_tokens": 9, "completion_tokens": 2, "cached_tokens": 4}, Usage(input=5, cache_read=4, output=2)),
        (
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_cache_hit_tokens": 4},
            Usage(input=5, cache_read=4, output=2),
        ),
        ({"prompt_tokens": 3, "completion_tokens": 2, "cached_tokens": 4}, Usage(input=0, cache_read=4, output=2)),
        ({"prompt_tokens": None, "prompt_tokens_details": None}, Usage()),
    ],
)
def test_usage_is_disjoint(wire, usage):
    """Every token in one class, whoever counts."""
    assert answer({"content": "x"}, usage=wire)[-2] == UsageReported(usage)


@pytest.mark.parametrize(
    ("word", "tier"), [("default", ""), ("on_demand", ""), ("flex", "flex"), ("priority", "priority")]
)
def test_the_tier_is_the_one_the_provider_served_at(word, tier):
    """Prices depend on it; every chunk may say it."""
    assert answer({"content": "x"}, service_tier=word)[-2].usage.tier == tier
    told = {**chunk({"content": "Hi"}), "service_tier": word}
    last = {"choices": [], "usage": COUNTS}
    events = decode(sse(told, chunk(finish="stop"), last, "[DONE]"))
    assert next(event.usage.tier for event in events if isinstance(event, UsageReported)) == tier


# ---- what goes wrong -------------------------------------------------------------------------------------------------

WHOLE = sse(chunk({"content": "Hi"}), chunk(finish="stop"), {"choices": [], "usage": COUNTS}, "[DONE]")


@pytest.mark.parametrize("size", range(0, len(WHOLE) - 2, 3))
def test_every_cut_is_an_error(size):
    """Wherever the bytes end before [DONE]."""
    if b"[DONE]" in WHOLE[:size]:
        return
    with pytest.raises(UpstreamError) as error:
        decode(WHOLE[:size])
    assert error.value.kind in (Kind.TRUNCATED, Kind.PROTOCOL)


def test_done_without_a_finish_reason_is_a_cut():
    """[DONE] alone completes nothing."""
    with pytest.raises(UpstreamError) as error:
        decode(sse(chunk({"content": "Hi"}), "[DONE]"))
    assert error.value.kind is Kind.TRUNCATED


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ({"error": {"message": "slow down", "type": "rate_limit_error"}}, Kind.RATE_LIMITED),
        ({"error": {"message": "oops", "code": 503, "type": "InternalServerError"}}, Kind.UNAVAILABLE),
        ({"error": {"message": "too long", "code": 400, "type": "BadRequest"}}, Kind.CALLER),
        ({"error": {"message": "filtered", "code": "content_filter"}}, Kind.CALLER),
        ({"error": {"message": "something"}}, Kind.FAILED),
        ({"code": "The service is currently unavailable", "error": "later"}, Kind.UNAVAILABLE),
        ({"object": "error", "message": "gone", "type": "service_error", "code": "3000"}, Kind.UNAVAILABLE),
        ({"success": False, "errors": [{"code": 3040, "message": "capacity"}]}, Kind.FAILED),
        ("not json", Kind.PROTOCOL),
        (chunk(calls({"index": 0, "id": "a", "function": {"arguments": "{}"}}), "tool_calls"), Kind.PROTOCOL),
        (chunk(finish="error"), Kind.FAILED),
    ],
)
def test_errors_in_the_middle_of_a_stream(sent, kind):
    """By the provider's own code, where it gives one."""
    with pytest.raises(UpstreamError) as error:
        decode(sse(chunk({"content": "Hi"}), sent, "[DONE]"))
    assert error.value.kind is kind
    assert error.value.message


def test_an_error_event_is_an_error_whatever_it_holds():
    """LM Studio names the event."""
    with pytest.raises(UpstreamError) as error:
        DIALECT.decoder(CALL, target(LOCAL)).feed(Frame("error", b'{"message":"no model loaded"}'))
    assert error.value.message == "no model loaded"


def test_nothing_counts_after_done():
    """A stream ends once."""
    assert decode(WHOLE + sse(chunk({"content": "more"}), "[DONE]")) == decode(WHOLE)
