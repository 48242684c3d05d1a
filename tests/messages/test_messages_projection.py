"""Events become the blocks of a message and the events of its stream, as Anthropic's clients want them."""

import pytest

from services.messages.objects import STOP_REASONS, public_usage
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
from tests.messages.kit import folded, project

STOP = Finished("stop")


def text(said, **more):
    return {"type": "text", "text": said, **more}


def call(id, name, input):
    return {"type": "tool_use", "id": id, "name": name, "input": input}


A, B = "call_aaaaaa", "call_bbbbbb"
SEARCH = "srvtoolu_cn1_0a00"

ANSWERS = {
    "text": ([TextDelta("Hel"), TextDelta("lo"), ItemDone()], [text("Hello")]),
    "nothing": ([], []),
    "an empty delta": ([TextDelta("")], []),
    "two blocks of text": (
        [TextBlock(), TextDelta("a"), TextBlock(), TextDelta("b")],
        [text("a"), text("b")],
    ),
    "reasoning with a proof": (
        [ReasoningDelta("hm"), ReasoningSealed("blob", "k"), TextDelta("a")],
        [{"type": "thinking", "thinking": "hm", "signature": "cn1.p.s.k.blob"}, text("a")],
    ),
    "reasoning in two parts, without a proof": (
        [ReasoningDelta("one"), ReasoningDelta("two", part=1), ItemDone(), TextDelta("a")],
        [{"type": "thinking", "thinking": "one\n\ntwo", "signature": "cn1.p.s.."}, text("a")],
    ),
    "reasoning nobody may read": (
        [ReasoningSealed("blob", "redacted"), TextDelta("a")],
        [{"type": "redacted_thinking", "data": "cn1.p.s.redacted.blob"}, text("a")],
    ),
    "a proof between text and a call": (
        [TextDelta("a"), ReasoningSealed("b", "k"), ToolCallStarted("0", A, "f"), ToolCallDone("0")],
        [text("a"), {"type": "redacted_thinking", "data": "cn1.p.s.k.b"}, call(A, "f", {})],
    ),
    "a call": (
        [ToolCallStarted("0", A, "f"), ToolCallDelta("0", '{"a"'), ToolCallDelta("0", ":1}"), ToolCallDone("0")],
        [call(A, "f", {"a": 1})],
    ),
    "calls made at once": (
        [
            ToolCallStarted("0", A, "f"),
            ToolCallStarted("1", B, "g"),
            ToolCallDelta("1", '{"b":2}'),
            ToolCallDelta("0", '{"a":1}'),
            ToolCallDone("1"),
            TextDelta("then"),
            ToolCallDone("0"),
        ],
        [call(A, "f", {"a": 1}), call(B, "g", {"b": 2}), text("then")],
    ),
    "a search": (
        [SearchStarted("0"), SearchDone("0", "q", ["https://a.example"]), TextDelta("a")],
        [
            {"type": "server_tool_use", "id": SEARCH, "name": "web_search", "input": {"query": "q"}},
            {
                "type": "web_search_tool_result",
                "tool_use_id": SEARCH,
                "content": [
                    {
                        "type": "web_search_result",
                        "url": "https://a.example",
                        "title": "https://a.example",
                        "encrypted_content": "cn1.p.s.search.",
                        "page_age": None,
                    }
                ],
            },
            text("a"),
        ],
    ),
    "a search that failed": (
        [SearchDone("0", failed=True)],
        [
            {"type": "server_tool_use", "id": SEARCH, "name": "web_search", "input": {"query": ""}},
            {
                "type": "web_search_tool_result",
                "tool_use_id": SEARCH,
                "content": {"type": "web_search_tool_result_error", "error_code": "unavailable"},
            },
        ],
    ),
    "a citation": (
        [TextDelta("a"), Citation("https://a.example", "t", "c")],
        [
            text(
                "a",
                citations=[
                    {
                        "type": "web_search_result_location",
                        "url": "https://a.example",
                        "title": "t",
                        "encrypted_index": "cn1.p.s.citation.",
                        "cited_text": "c",
                    }
                ],
            )
        ],
    ),
}


@pytest.mark.parametrize("pieces", ["one batch", "one by one"])
@pytest.mark.parametrize("name", ANSWERS)
def test_events_become_blocks(name, pieces):
    """The stream, put together by a client, is the message; blocks come one after the other."""
    events, content = ANSWERS[name]
    events = [*events, UsageReported(Usage(1)), STOP]
    stream, message = project(events) if pieces == "one batch" else project(*([event] for event in events))
    assert message["content"] == content
    assert folded(stream) == content
    assert [event["type"] for event in stream[-2:]] == ["message_delta", "message_stop"]


def test_ids_that_anthropic_would_refuse_are_replaced():
    """A conversation may come back to it; short ids are not the only ones of a conversation either."""
    events = [ToolCallStarted(str(n), id, "f") for n, id in enumerate(("", "functions.f:0", "call_0"))]
    events += [ToolCallDone(str(n)) for n in range(3)]
    _, message = project([*events, STOP])
    assert [block["id"] for block in message["content"]] == ["toolu_0a00", "toolu_0a01", "toolu_0a02"]


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", "free text"])
def test_a_whole_answer_wraps_what_is_no_object(arguments):
    """As Anthropic advises for input that was cut; nothing is made up."""
    _, message = project([ToolCallStarted("0", A, "f"), ToolCallDelta("0", arguments), Finished("length")])
    assert message["content"] == [call(A, "f", {"INVALID_JSON": arguments})]
    assert message["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("reason", STOP_REASONS)
def test_every_end_has_its_stop_reason(reason):
    """The word stands in the message and in the stream."""
    stream, message = project([TextDelta("a"), Finished(reason)])
    assert message["stop_reason"] == stream[-2]["delta"]["stop_reason"] == STOP_REASONS[reason]


def test_a_stop_sequence_is_named():
    """The one that was met."""
    _, message = project([TextDelta("a"), Finished("stop", "END")])
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


def test_a_call_ends_with_tool_use_whatever_the_provider_says():
    """Clients run tools by the stop reason."""
    _, message = project([ToolCallStarted("0", A, "f"), ToolCallDone("0"), STOP])
    assert message["stop_reason"] == "tool_use"


def test_a_refusal_says_why():
    """Its words are text, and the details repeat them."""
    _, message = project([RefusalDelta("No."), STOP])
    assert message["content"] == [text("No.")]
    assert (message["stop_reason"], message["stop_details"]["explanation"]) == ("refusal", "No.")


def test_a_proof_after_the_last_text_is_reported_lost():
    """Clients take the last block for the answer; Gemini seals its last text."""
    stream, message = project([TextDelta("a")], [ReasoningSealed("b", "text_end")], [STOP])
    assert message["content"] == folded(stream) == [text("a")]
    assert [loss["param"] for loss in message["translation_losses"]] == ["content"]


def test_usage_has_anthropics_classes():
    """Disjoint: fresh input excludes what the cache read or wrote."""
    usage = Usage(5, 10, 20, 30, 40, 15, 2)
    stream, message = project([TextDelta("a"), UsageReported(usage), STOP])
    assert message["usage"] == stream[-2]["usage"]
    assert message["usage"] == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 50,
        "cache_read_input_tokens": 10,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
        "output_tokens": 40,
        "output_tokens_details": {"thinking_tokens": 15},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "service_tier": "standard",
    }
    tiers = {"": "standard", "priority": "priority", "flex": "standard"}
    assert {tier: public_usage(Usage(tier=tier)).service_tier for tier in tiers} == tiers


def test_the_first_event_estimates_the_input():
    """A client that looks at it alone must not take the prompt for empty."""
    stream, _ = project([STOP])
    assert stream[0]["message"]["usage"]["input_tokens"] == 7
