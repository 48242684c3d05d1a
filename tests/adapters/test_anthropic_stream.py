"""Anthropic's streams and whole answers -> events."""

import json

import msgspec
import pytest

from services.adapters.dialect import Kind, UpstreamError
from services.vocabulary.call import CustomTool, Format, FunctionTool, ReasoningOptions
from services.vocabulary.event import (
    Citation,
    Finished,
    ItemDone,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    SearchDone,
    SearchStarted,
    TextBlock,
    TextDelta,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStarted,
    UsageReported,
)
from services.vocabulary.usage import Usage
from tests.adapters.anthropic_kit import BUDGET, DIALECT, OLD, block, call, decoded, raw, sse, start, stop, target

SEARCHED = {"type": "web_search_result", "url": "https://a.example/1", "title": "One", "encrypted_content": "x"}
CITED = {"type": "web_search_result_location", "url": "https://a.example/1", "title": "One", "cited_text": "c"}
TEXT = {"type": "text", "text": ""}


def said(text):
    return {"type": "text_delta", "text": text}


def piece(json_text):
    return {"type": "input_json_delta", "partial_json": json_text}


# name, blocks of the answer, events of the blocks
BLOCKS = [
    ("text", [(TEXT, said("He"), said("llo"))], [TextBlock(), TextDelta("He"), TextDelta("llo")]),
    ("a block without text is nothing", [(TEXT,)], []),
    (
        "thinking keeps its signature",
        [
            (
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "Hm"},
                {"type": "signature_delta", "signature": "Eu+/=="},
            )
        ],
        [ReasoningDelta("Hm", "content"), ReasoningSealed("Eu+/==", "thinking")],
    ),
    (
        "thinking may be signed without being readable",
        [({"type": "thinking", "thinking": "", "signature": ""}, {"type": "signature_delta", "signature": "S"})],
        [ReasoningSealed("S", "thinking")],
    ),
    (
        "thinking without a signature ends as an item",
        [({"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "Hm"})],
        [ReasoningDelta("Hm", "content"), ItemDone()],
    ),
    ("redacted thinking", [({"type": "redacted_thinking", "data": "D=="},)], [ReasoningSealed("D==", "redacted")]),
    (
        "a call in pieces",
        [({"type": "tool_use", "id": "t1", "name": "f", "input": {}}, piece(""), piece('{"a"'), piece(":1}"))],
        [
            ToolCallStarted("t1", "t1", "f"),
            ToolCallDelta("t1", '{"a"'),
            ToolCallDelta("t1", ":1}"),
            ToolCallDone("t1"),
        ],
    ),
    (
        "a call without arguments has an empty object",
        [({"type": "tool_use", "id": "t1", "name": "f", "input": {}}, piece(""))],
        [ToolCallStarted("t1", "t1", "f"), ToolCallDelta("t1", "{}"), ToolCallDone("t1")],
    ),
    (
        "a web search with its result",
        [
            (
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
                piece('{"query":'),
                piece('"q"}'),
            ),
            ({"type": "web_search_tool_result", "tool_use_id": "s1", "content": [SEARCHED]},),
        ],
        [SearchStarted("s1"), SearchDone("s1", "q", ["https://a.example/1"])],
    ),
    (
        "a web search that failed",
        [
            ({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}, piece('{"query":"q"}')),
            (
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "s1",
                    "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
                },
            ),
        ],
        [SearchStarted("s1"), SearchDone("s1", "q", failed=True)],
    ),
    (
        "a search without a result ends with the answer",
        [({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}, piece('{"query":"q"}'))],
        [SearchStarted("s1"), SearchDone("s1", "q", failed=True)],
    ),
    (
        "a citation is told after the text it covers",
        [(TEXT, {"type": "citations_delta", "citation": CITED}, said("So.")), (TEXT, said(" And."))],
        [
            TextBlock(),
            TextDelta("So."),
            Citation("https://a.example/1", "One", "c"),
            TextBlock(),
            TextDelta(" And."),
        ],
    ),
    (
        "a citation of a document names it",
        [
            (
                TEXT,
                said("So."),
                {
                    "type": "citations_delta",
                    "citation": {
                        "type": "page_location",
                        "cited_text": "c",
                        "document_title": "a.pdf",
                        "file_id": None,
                    },
                },
            )
        ],
        [TextBlock(), TextDelta("So."), Citation(None, "a.pdf", "c", None, "a.pdf")],
    ),
    (
        "blocks of tools nobody declared, and of types to come, are read over",
        [
            ({"type": "server_tool_use", "id": "s9", "name": "code_execution", "input": {}}, piece('{"code":"1"}')),
            ({"type": "bash_code_execution_tool_result", "tool_use_id": "s9", "content": {"stdout": "1"}},),
            ({"type": "hologram", "text": [1], "data": {}}, {"type": "hologram_delta", "shape": [2]}),
            (TEXT, said("Hi"), {"type": "citations_delta", "citation": {"type": "dream", "url": 7}}),
        ],
        [TextBlock(), TextDelta("Hi")],
    ),
]
IDS = [name for name, *_ in BLOCKS]


def streamed(blocks, *ending):
    events = [start(), {"type": "ping"}]
    for index, (content, *deltas) in enumerate(blocks):
        events += block(index, content, *deltas)
    return sse(*events, {"type": "brand_new_event"}, *(ending or stop()))


@pytest.mark.parametrize("size", [0, 1, 2, 7])
@pytest.mark.parametrize(("name", "blocks", "events"), BLOCKS, ids=IDS)
def test_blocks(name, blocks, events, size):
    """Each kind of block gives its events, however the bytes arrive; usage comes once, right before the end."""
    got = decoded(streamed(blocks), size=size)
    assert got[:-2] == events
    assert [type(event) for event in got[-2:]] == [UsageReported, Finished]


@pytest.mark.parametrize(("name", "blocks", "events"), BLOCKS, ids=IDS)
def test_a_whole_answer_means_what_its_stream_means(name, blocks, events):
    """The same blocks in one body give the same events, in bigger pieces."""
    message = {"type": "message", "stop_reason": "end_turn", "usage": {"input_tokens": 10, "output_tokens": 7}}
    body = {**message, "content": [folded(content, deltas) for content, *deltas in blocks]}
    whole = list(DIALECT.answer(json.dumps(body, separators=(",", ":")).encode(), call(), target()))
    assert joined(whole[:-2]) == joined(events)
    assert whole[-2:] == [UsageReported(Usage(input=10, output=7)), Finished("stop")]


def folded(content, deltas):
    out, arguments = dict(content), ""
    for delta in deltas:
        for key in ("text", "thinking", "signature"):
            if key in delta:
                out[key] = out.get(key, "") + delta[key]
        if "citation" in delta:
            out.setdefault("citations", []).append(delta["citation"])
        arguments += delta.get("partial_json", "")
    return {**out, "input": json.loads(arguments)} if arguments else out


def joined(events):
    """Events with neighbouring deltas put together."""
    out = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, ToolCallDelta) and isinstance(last, ToolCallDelta):
            out[-1] = ToolCallDelta(event.key, last.arguments + event.arguments)
        elif isinstance(event, TextDelta) and isinstance(last, TextDelta):
            out[-1] = TextDelta(last.text + event.text)
        else:
            out.append(event)
    return out


def test_what_follows_the_end_is_read_over():
    """Some servers of the format add a line of their own."""
    assert decoded(streamed([]) + b"data: [DONE]\n\n")[-1] == Finished("stop")


REASONS = [
    ("end_turn", "stop"),
    ("max_tokens", "length"),
    ("stop_sequence", "stop"),
    ("pause_turn", "pause"),
    ("refusal", "refusal"),
    ("model_context_window_exceeded", "length"),
    ("a_reason_to_come", "stop"),
]


@pytest.mark.parametrize(("reason", "meaning"), REASONS)
def test_stop_reasons(reason, meaning):
    """Every stop reason has its meaning; the stop sequence that was met comes along."""
    got = decoded(streamed([(TEXT, said("x"))], *stop(reason, sequence="END" if reason == "stop_sequence" else None)))
    assert got[-1] == Finished(meaning, "END" if reason == "stop_sequence" else None)


def test_a_call_finishes_as_tool_calls():
    """tool_use means that the client's tools are to be run."""
    got = decoded(streamed([({"type": "tool_use", "id": "t", "name": "f", "input": {}},)], *stop("tool_use")))
    assert got[-1] == Finished("tool_calls")


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"type": "refusal", "category": "bio", "explanation": "No."}, [RefusalDelta("No.")]),
        ({"type": "refusal", "category": "bio", "explanation": None}, [RefusalDelta("bio")]),
        (None, []),
    ],
)
def test_a_refusal_says_why(details, words):
    """What stop_details explains becomes the refusal's text."""
    got = decoded(streamed([], *stop("refusal", details=details)))
    assert got[:-2] == words
    assert got[-1] == Finished("refusal")


# name, usage of message_start, usage of message_delta, classes
USAGES = [
    ("plain", {"input_tokens": 10}, {"output_tokens": 7}, Usage(input=10, output=7)),
    (
        "cache classes are disjoint from fresh input",
        {
            "input_tokens": 3,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 50,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
        },
        {"output_tokens": 7},
        Usage(input=3, cache_read=100, cache_write_5m=20, cache_write_1h=30, output=7),
    ),
    (
        "later counts replace, zero included, and are not added up",
        {"input_tokens": 2479, "cache_read_input_tokens": 5},
        {"input_tokens": 404500, "cache_read_input_tokens": 0, "output_tokens": 943},
        Usage(input=404500, output=943),
    ),
    (
        "what is written later counts for five minutes",
        {"cache_creation_input_tokens": 30, "cache_creation": {"ephemeral_1h_input_tokens": 30}},
        {"cache_creation_input_tokens": 45, "output_tokens": 1},
        Usage(input=10, cache_write_5m=15, cache_write_1h=30, output=1),
    ),
    (
        "thinking is a part of output, searches are counted",
        {},
        {
            "output_tokens": 90,
            "output_tokens_details": {"thinking_tokens": 60},
            "server_tool_use": {"web_search_requests": 2},
        },
        Usage(input=10, output=90, reasoning=60, web_searches=2),
    ),
]


@pytest.mark.parametrize(("name", "first", "last", "usage"), USAGES, ids=[name for name, *_ in USAGES])
def test_usage(name, first, last, usage):
    """Counts are cumulative and become disjoint classes, reported once."""
    got = decoded(sse(start(**first), *stop(**last)))
    assert got == [UsageReported(usage), Finished("stop")]


def test_readable_thinking_is_a_summary_when_one_was_asked_for():
    """The client that asked for a summary reads it where summaries stand."""
    asked = call(stream=True, reasoning=ReasoningOptions(summary="auto"))
    data = streamed([({"type": "thinking", "thinking": "Hm", "signature": "S"},)])
    assert decoded(data, asked)[:2] == [ReasoningDelta("Hm", "summary"), ReasoningSealed("S", "thinking")]


def test_the_forced_tool_of_a_format_is_the_text():
    """The input of the tool that stands for the format comes back as text, and the turn is over."""
    schema = raw({"type": "object", "properties": {"a": {"type": "integer"}}})
    asked = call(stream=True, format=Format("json_schema", "answer", schema))
    data = streamed(
        [({"type": "tool_use", "id": "t", "name": "answer", "input": {}}, piece('{"a":'), piece("1}"))],
        *stop("tool_use"),
    )
    got = decoded(data, asked, target(OLD))
    assert got[:-2] == [TextBlock(), TextDelta('{"a":'), TextDelta("1}")]
    assert got[-1] == Finished("stop")


def test_custom_calls_come_back_as_free_text():
    """The one text of the function that stands for a custom tool is the call's input."""
    asked = call(stream=True, tools=[CustomTool("apply_patch")])
    data = streamed(
        [
            (
                {"type": "tool_use", "id": "t", "name": "apply_patch", "input": {}},
                piece('{"input":"*** Be'),
                piece('gin\\n"}'),
            )
        ]
    )
    assert decoded(data, asked)[:-2] == [
        ToolCallStarted("t", "t", "apply_patch", custom=True),
        ToolCallDelta("t", "*** Begin\n"),
        ToolCallDone("t"),
    ]


def test_renamed_tools_come_back_under_their_own_names():
    """A name that Anthropic would refuse is the client's again in the answer."""
    asked = call(stream=True, tools=[FunctionTool("a.b"), FunctionTool("a_b")])
    data = streamed([({"type": "tool_use", "id": "t", "name": "a_b_2", "input": {}},)])
    assert decoded(data, asked)[0] == ToolCallStarted("t", "t", "a.b")


# ---- what goes wrong -------------------------------------------------------------------------------------------------

ERRORS = [
    ("overloaded_error", Kind.UNAVAILABLE),
    ("api_error", Kind.UNAVAILABLE),
    ("rate_limit_error", Kind.RATE_LIMITED),
    ("invalid_request_error", Kind.CALLER),
    ("authentication_error", Kind.CREDENTIAL),
    ("an_error_to_come", Kind.FAILED),
]


@pytest.mark.parametrize(("code", "kind"), ERRORS)
def test_an_error_in_the_stream_keeps_its_kind_and_words(code, kind):
    """Error events say whose fault it is."""
    with pytest.raises(UpstreamError, match="Ouch") as caught:
        decoded(sse(start(), {"type": "error", "error": {"type": code, "message": "Ouch"}}))
    assert (caught.value.kind, caught.value.code) == (kind, code)


@pytest.mark.parametrize("keep", range(1, 6))
def test_a_stream_that_ends_early_is_truncated(keep):
    """Whatever came before: without message_stop the answer is not complete."""
    events = [start(), *block(0, TEXT, said("Hi")), *stop()]
    with pytest.raises(UpstreamError) as caught:
        decoded(sse(*events[:keep]))
    assert caught.value.kind is Kind.TRUNCATED


@pytest.mark.parametrize(
    "data",
    [
        b"data: {broken\n\n",
        b"data: []\n\n",
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"x"}}\n\n',
        b'data: {"type":"content_block_stop","index":3}\n\n',
        b'data: {"type":"message_start"}\n\n',
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":7}}\n\n',
    ],
)
def test_what_is_not_the_format_is_a_protocol_error(data):
    """Broken JSON, wrong types and blocks that were never opened are the provider's fault."""
    with pytest.raises(UpstreamError) as caught:
        decoded(data)
    assert caught.value.kind is Kind.PROTOCOL


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"type":"message","content":[]}', b'{"content":7}'])
def test_a_body_that_is_no_message_is_a_protocol_error(body):
    """So is a whole answer that says no end."""
    with pytest.raises(UpstreamError) as caught:
        DIALECT.answer(body, call(), target())
    assert caught.value.kind is Kind.PROTOCOL


def test_arguments_keep_their_bytes():
    """A whole answer's arguments are not written anew: order and numbers stay as they came."""
    body = b'{"content":[{"type":"tool_use","id":"t","name":"f","input":{"z":1.0,"a":9007199254740993}}],'
    body += b'"stop_reason":"tool_use","usage":{}}'
    events = DIALECT.answer(body, call(), target(BUDGET))
    assert ToolCallDelta("t", '{"z":1.0,"a":9007199254740993}') in events
    assert msgspec.json.decode(events[1].arguments)["a"] == 9007199254740993
