"""What Bedrock answers, streamed and whole, becomes the same events; what is not an answer becomes an error."""

import json
from typing import Any

import pytest

from services.adapters.dialect import Kind, UpstreamError
from services.vocabulary.event import (
    Citation,
    Event,
    Finished,
    ItemDone,
    ReasoningDelta,
    ReasoningSealed,
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
from services.wire.frame import FramingError
from tests.adapters.bedrock_kit import (
    CONVERSE,
    NOVA_2,
    answer,
    asked,
    call,
    chunked,
    decoded,
    folded,
    frame,
    stream,
    target,
)

USAGE = UsageReported(Usage(input=5, output=7))
PLACE = {"documentChar": {"documentIndex": 0, "start": 0, "end": 9}}
WEB = {"web": {"url": "https://example.com/a", "domain": "example.com"}}

# name -> the blocks as a stream sends them, as a whole answer holds them, and the events of both
CASES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]], list[Event]]] = {
    "text": (
        [{"deltas": [{"text": "Hel"}, {"text": "lo \u2028 é"}]}],
        [{"text": "Hello \u2028 é"}],
        [TextBlock(), TextDelta("Hello \u2028 é")],
    ),
    "empty text": ([{"deltas": [{"text": ""}]}], [{"text": ""}], []),
    "parallel tools": (
        [
            {"deltas": [{"text": "Let me."}]},
            {
                "start": {"toolUse": {"toolUseId": "t1", "name": "look"}},
                "deltas": [
                    {"toolUse": {"input": ""}},
                    {"toolUse": {"input": '{"b":1,'}},
                    {"toolUse": {"input": '"a":2}'}},
                ],
            },
            {"start": {"toolUse": {"toolUseId": "t2", "name": "ping"}}, "deltas": []},
        ],
        [
            {"text": "Let me."},
            {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"b": 1, "a": 2}}},
            {"toolUse": {"toolUseId": "t2", "name": "ping"}},
        ],
        [
            TextBlock(),
            TextDelta("Let me."),
            ToolCallStarted("1", "t1", "look"),
            ToolCallDelta("1", '{"b":1,"a":2}'),
            ToolCallDone("1"),
            ToolCallStarted("2", "t2", "ping"),
            ToolCallDelta("2", "{}"),
            ToolCallDone("2"),
        ],
    ),
    "signed reasoning": (
        [
            {
                "deltas": [
                    {"reasoningContent": {"text": "Hm"}},
                    {"reasoningContent": {"text": "m."}},
                    {"reasoningContent": {"signature": "c2ln+/=="}},
                ]
            },
            {"deltas": [{"reasoningContent": {"redactedContent": "cmVk"}}]},
            {"deltas": [{"text": "Hi."}]},
        ],
        [
            {"reasoningContent": {"reasoningText": {"text": "Hmm.", "signature": "c2ln+/=="}}},
            {"reasoningContent": {"redactedContent": "cmVk"}},
            {"text": "Hi."},
        ],
        [
            ReasoningDelta("Hmm.", "content"),
            ReasoningSealed("c2ln+/==", "thinking"),
            ReasoningSealed("cmVk", "redacted"),
            TextBlock(),
            TextDelta("Hi."),
        ],
    ),
    "unsigned reasoning": (
        [{"deltas": [{"reasoningContent": {"text": "Hm."}}]}, {"deltas": [{"text": "Hi."}]}],
        [{"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"text": "Hi."}],
        [ReasoningDelta("Hm.", "content"), ItemDone(), TextBlock(), TextDelta("Hi.")],
    ),
    "citations": (
        [
            {
                "deltas": [
                    {"citation": {"title": "facts", "sourceContent": [{"text": "So."}], "location": PLACE}},
                    {"text": "So"},
                ]
            },
            {"deltas": [{"text": " it is."}, {"citation": {"title": "A", "location": WEB}}]},
            {"deltas": [{"text": " Yes."}, {"citation": {"title": "B", "source": "https://example.com/b"}}]},
        ],
        [
            {
                "citationsContent": {
                    "content": [{"text": "So"}],
                    "citations": [{"title": "facts", "sourceContent": [{"text": "So."}], "location": PLACE}],
                }
            },
            {"citationsContent": {"content": [{"text": " it is."}], "citations": [{"title": "A", "location": WEB}]}},
            {
                "citationsContent": {
                    "content": [{"text": " Yes."}],
                    "citations": [{"title": "B", "source": "https://example.com/b"}],
                }
            },
        ],
        [
            TextBlock(),
            TextDelta("So"),
            Citation(title="facts", cited_text="So.", filename="facts"),
            TextBlock(),
            TextDelta(" it is."),
            Citation(url="https://example.com/a", title="A"),
            TextBlock(),
            TextDelta(" Yes."),
            Citation(url="https://example.com/b", title="B"),
        ],
    ),
}


@pytest.mark.parametrize("size", [1, 2, 7, 100_000])
@pytest.mark.parametrize("name", CASES)
def test_streams_give_the_same_events_however_they_arrive(name: str, size: int) -> None:
    """Every chunking of a stream gives its events, and the usage once before the end."""
    blocks, _, events = CASES[name]
    found = folded(decoded(chunked(stream(blocks), size), call()))
    assert found == [*events, USAGE, Finished("stop")]


@pytest.mark.parametrize("name", CASES)
def test_whole_answers_give_what_their_streams_give(name: str) -> None:
    """One meaning, whether streamed or not."""
    _, blocks, events = CASES[name]
    assert folded(CONVERSE.answer(answer(blocks), call(), target())) == [*events, USAGE, Finished("stop")]


@pytest.mark.parametrize("name", CASES)
def test_truncation_is_an_error_at_every_cut(name: str) -> None:
    """A stream that ends early is never a short success, wherever it was cut: between frames or inside one."""
    data = stream(CASES[name][0])
    for at in range(len(data)):
        with pytest.raises((UpstreamError, FramingError)) as raised:
            list(decoded([data[:at]], call()))
        if isinstance(raised.value, UpstreamError):
            assert raised.value.kind is Kind.TRUNCATED


def test_a_summary_that_was_asked_for_is_a_summary() -> None:
    """Readable reasoning is a summary to those who asked for one."""
    given = asked(reasoning={"effort": "low", "summary": "auto"})
    data = stream([{"deltas": [{"reasoningContent": {"text": "Hm."}}]}])
    assert ReasoningDelta("Hm.", "summary") in list(decoded([data], given))


def test_encrypted_reasoning_in_pieces_is_one_blob() -> None:
    """Pieces of base64 are joined as bytes, not as text."""
    deltas = [{"reasoningContent": {"redactedContent": piece}} for piece in ("YQ==", "YmM=")]
    assert ReasoningSealed("YWJj", "redacted") in list(decoded([stream([{"deltas": deltas}])], call()))


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
    ],
)
def test_stop_reasons(stop: str, reason: Any) -> None:
    """Each way to end is told apart, streamed or whole."""
    blocks = [{"deltas": [{"text": "a"}]}]
    assert list(decoded([stream(blocks, stop)], call()))[-1] == Finished(reason)
    assert CONVERSE.answer(answer([{"text": "a"}], stop), call(), target())[-1] == Finished(reason)


@pytest.mark.parametrize(("stop", "kind"), [("malformed_tool_use", Kind.FAILED), ("brand_new", Kind.PROTOCOL)])
def test_unusable_output_is_an_error_after_its_usage(stop: str, kind: Kind) -> None:
    """The provider charges for it, so the usage is told first; then that it failed."""
    seen: list[Event] = []
    with pytest.raises(UpstreamError) as raised:
        seen.extend(decoded([stream([], stop)], call()))
    assert raised.value.kind is kind
    with pytest.raises(UpstreamError):
        CONVERSE.answer(answer([], stop), call(), target())
    events = decoded([stream([], stop)], call())
    assert next(events) == USAGE


def test_the_stop_sequence_that_was_met() -> None:
    """Claude says which one, when it was asked to."""
    fields = {"stop_sequence": "END"}
    body = json.loads(answer([{"text": "a"}], "stop_sequence")) | {"additionalModelResponseFields": fields}
    assert CONVERSE.answer(json.dumps(body).encode(), call(), target())[-1] == Finished("stop", "END")
    stop = frame("messageStop", {"stopReason": "stop_sequence", "additionalModelResponseFields": fields})
    data = stop + frame("metadata", {"usage": {"inputTokens": 5, "outputTokens": 7}})
    assert list(decoded([data], call()))[-1] == Finished("stop", "END")


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"cacheReadInputTokens": 3, "cacheWriteInputTokens": 0}, Usage(input=5, cache_read=3, output=7)),
        ({"cacheWriteInputTokens": 9}, Usage(input=5, cache_write_5m=9, output=7)),
        (
            {
                "cacheWriteInputTokens": 9,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 5}],
            },
            Usage(input=5, cache_write_5m=5, cache_write_1h=4, output=7),
        ),
        ({"serverToolUsage": {}, "cacheReadInputTokenCount": 3}, Usage(input=5, output=7)),
    ],
)
def test_usage_is_disjoint(counts: dict[str, Any], usage: Usage) -> None:
    """Bedrock's input count holds neither cache reads nor writes; writes are told apart by their time to live."""
    given = {"inputTokens": 5, "outputTokens": 7, "totalTokens": 12, **counts}
    assert UsageReported(usage) in list(decoded([stream([], usage=given)], call()))
    assert UsageReported(usage) in CONVERSE.answer(answer([], usage=given), call(), target())


@pytest.mark.parametrize(
    ("served", "tier"),
    [
        ({"serviceTier": {"type": "priority"}, "performanceConfig": {"latency": "optimized"}}, "priority"),
        ({"serviceTier": {"type": "default"}, "performanceConfig": {"latency": "standard"}}, ""),
        ({"performanceConfig": {"latency": "optimized"}}, "fast"),
    ],
)
def test_the_tier_it_was_served_at(served: dict[str, Any], tier: str) -> None:
    """Prices depend on it."""
    body = json.loads(answer([])) | served
    usage = UsageReported(Usage(input=5, output=7, tier=tier))
    assert usage in CONVERSE.answer(json.dumps(body).encode(), call(), target())
    end = frame("metadata", {"usage": body["usage"], **served})
    assert usage in list(decoded([frame("messageStop", {"stopReason": "end_turn"}) + end], call()))


def test_novas_web_search() -> None:
    """Its own search is a search, its findings are citations."""
    given = asked(tools=[{"type": "web_search"}])
    tool = {"toolUseId": "s1", "name": "nova_grounding", "type": "server_tool_use"}
    found = {"toolUseId": "s1", "type": "nova_grounding_result", "status": "success"}
    blocks = [
        {"start": {"toolUse": tool}, "deltas": [{"toolUse": {"input": '{"query":"x"}'}}]},
        {"start": {"toolResult": found}, "deltas": [{"toolResult": [{"json": {}}]}]},
        {"deltas": [{"text": "So."}, {"citation": {"location": WEB}}]},
    ]
    whole = [
        {"toolUse": {**tool, "input": {"query": "x"}}},
        {"toolResult": {**found, "content": []}},
        {"citationsContent": {"content": [{"text": "So."}], "citations": [{"location": WEB}]}},
    ]
    events = [
        SearchStarted("0"),
        SearchDone("0", "x"),
        TextBlock(),
        TextDelta("So."),
        Citation(url="https://example.com/a"),
        UsageReported(Usage(input=5, output=7, web_searches=1)),
        Finished("stop"),
    ]
    assert folded(decoded([stream(blocks)], given, NOVA_2)) == events
    assert folded(CONVERSE.answer(answer(whole), given, target(NOVA_2))) == events


@pytest.mark.parametrize(
    ("event", "payload", "kind"),
    [
        ("throttlingException", {"message": "Too many tokens."}, Kind.RATE_LIMITED),
        ("modelStreamErrorException", {"message": "x", "originalStatusCode": 500}, Kind.UNAVAILABLE),
        ("modelStreamErrorException", {"message": "x", "originalStatusCode": 400}, Kind.CALLER),
        ("modelStreamErrorException", {"originalMessage": "x"}, Kind.UNAVAILABLE),
        ("internalServerException", {"message": "x"}, Kind.UNAVAILABLE),
        ("serviceUnavailableException", {"message": "x"}, Kind.UNAVAILABLE),
        ("validationException", {"message": "x"}, Kind.CALLER),
        ("modelTimeoutException", {"message": "x"}, Kind.TIMEOUT),
        ("someNewException", {"message": "x"}, Kind.UNAVAILABLE),
    ],
)
def test_exceptions_in_mid_stream(event: str, payload: dict[str, Any], kind: Kind) -> None:
    """An exception frame is an error of its kind, after the events that came before it."""
    begun = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "a"}})
    events = decoded([begun + frame(event, payload, "exception")], call())
    assert [next(events), next(events)] == [TextBlock(), TextDelta("a")]
    with pytest.raises(UpstreamError) as raised:
        next(events)
    assert raised.value.kind is kind
    assert raised.value.message


def test_an_error_frame_is_an_error() -> None:
    """The framing has errors of its own beside the service's exceptions."""
    with pytest.raises(UpstreamError) as raised:
        list(decoded([frame("InternalFailure", {}, "error")], call()))
    assert raised.value.kind is Kind.UNAVAILABLE


TEXT = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "a"}})
TOOL = frame("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "n"}}})


@pytest.mark.parametrize(
    "data",
    [
        frame("contentBlockDelta", {"contentBlockIndex": 0}),
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"hologram": {}}}),
        frame("contentBlockDelta", {"contentBlockIndex": "0", "delta": {"text": "a"}}),
        frame("contentBlockDelta", "text"),
        frame("messageStart", {"role": "user"}),
        frame("contentBlockStart", {"contentBlockIndex": 0, "start": {"image": {"format": "png"}}}),
        TOOL + TEXT,
        TOOL + TOOL,
        TEXT + frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{"}}}),
        TEXT + frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "a"}}}),
        frame("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}}),
        frame("messageStop", {"stopReason": "end_turn"}) + TEXT,
        frame("messageStop", {"stopReason": "end_turn"}) * 2,
        frame("messageStop", {"stopReason": "end_turn"}) + frame("metadata", {"metrics": {}}),
        stream([]) + TEXT,
        stream([]) + frame("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}}),
    ],
)
def test_what_the_format_does_not_allow_is_an_error(data: bytes) -> None:
    """Malformed frames and impossible orders are never read over."""
    with pytest.raises(UpstreamError) as raised:
        list(decoded([data], call()))
    assert raised.value.kind is Kind.PROTOCOL


def test_event_types_to_come_are_read_over() -> None:
    """AWS adds event types; its own clients ignore those they do not know."""
    data = frame("somethingNew", {"x": 1}) + stream([{"deltas": [{"text": "a"}]}])
    assert list(decoded([data], call()))[-1] == Finished("stop")


def test_a_message_that_stops_without_closing_its_blocks() -> None:
    """The end of the message ends them."""
    data = TOOL + frame("messageStop", {"stopReason": "tool_use"})
    data += frame("metadata", {"usage": {"inputTokens": 5, "outputTokens": 7}})
    assert list(decoded([data], call())) == [
        ToolCallStarted("0", "t", "n"),
        ToolCallDelta("0", "{}"),
        ToolCallDone("0"),
        USAGE,
        Finished("tool_calls"),
    ]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"output":{},"stopReason":"end_turn"}', answer([{"hologram": {}}])]
)
def test_an_unreadable_answer_is_an_error(body: bytes) -> None:
    """A whole answer that is not in Converse's shape is a protocol error."""
    with pytest.raises(UpstreamError) as raised:
        CONVERSE.answer(body, call(), target())
    assert raised.value.kind is Kind.PROTOCOL
