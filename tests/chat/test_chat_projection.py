"""Events become chunks and completions: what is said, in which member, and that both ways say the same."""

import json

import msgspec
import openai.types.chat as sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState

from services.chat import objects
from services.vocabulary.call import Message, Reasoning, Seal, Text, ToolCall
from services.vocabulary.cost import Cost
from services.vocabulary.event import (
    Citation,
    Event,
    Finished,
    HostedItem,
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
from tests.chat.kit import STEM, deltas_of, items_of, message_of, streamed, whole

END = Finished("stop")
USED = UsageReported(Usage(input=5, cache_read=3, cache_write_5m=2, output=7, reasoning=4, web_searches=1))
CALL = [ToolCallStarted("k", "c1", "f"), ToolCallDelta("k", '{"a":'), ToolCallDelta("k", "1}"), ToolCallDone("k")]
CALLS_END = Finished("tool_calls")


def called(number: int, name: str = "f", arguments: str = '{"a":1}') -> dict[str, object]:
    return {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


# ---- the frame -------------------------------------------------------------------------------------------------------


def test_a_stream_has_role_text_finish_and_usage():
    """The role first, the finish alone, the counts in a chunk of their own without choices."""
    chunks = streamed([TextDelta("Hel"), TextDelta("lo"), USED, END], Cost(2_000_000_000, {"output": 2_000_000_000}))
    assert {chunk["id"] for chunk in chunks} == {f"chatcmpl-{STEM}"}
    assert {(chunk["object"], chunk["created"], chunk["model"]) for chunk in chunks} == {
        ("chat.completion.chunk", 100, "p/m")
    }
    assert [choice["delta"] for chunk in chunks for choice in chunk["choices"]] == [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]] == [None, None, None, "stop"]
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * 4
    last = chunks[-1]
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 4,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
        "tool_calls": {"web_search": 1},
    }
    assert last["cost"] == {
        "total": 2.0,
        "breakdown": {"output": 2.0},
        "currency": "USD",
        "byok": False,
        "price_version": "",
    }
    assert last["routing"]["served"] == "p/m"
    assert last["translation_losses"] == [{"param": "seed", "action": "dropped", "detail": "no such parameter"}]


def test_without_include_usage_the_last_chunk_says_the_rest():
    """No counts anywhere; cost, routing and losses come with the finish."""
    chunks = streamed([TextDelta("x"), USED, END], Cost(1), include_usage=False)
    assert not any("usage" in chunk for chunk in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["cost"]["total"] == 1e-9
    assert not any("cost" in chunk for chunk in chunks[:-1])


def test_a_provider_that_counts_nothing_gives_no_counts():
    """Zero would be a count."""
    chunks = streamed([TextDelta("x"), END])
    assert (chunks[-1]["usage"], chunks[-1]["cost"]) == (None, None)
    assert whole([TextDelta("x"), END])["usage"] is None


def test_the_tier_is_told():
    """As the provider names it, else the usual one."""
    fast = UsageReported(Usage(1, output=1, tier="priority"))
    assert whole([TextDelta("x"), fast, END])["service_tier"] == "priority"
    assert streamed([TextDelta("x"), USED, END])[-1]["service_tier"] == "default"


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([TextDelta("x"), END], "stop"),
        ([TextDelta("x"), Finished("stop", "END")], "stop"),
        ([*CALL, CALLS_END], "tool_calls"),
        ([TextDelta("x"), Finished("length")], "length"),
        ([TextDelta("x"), Finished("content_filter")], "content_filter"),
        ([RefusalDelta("No"), Finished("refusal")], "stop"),
        ([TextDelta("x"), Finished("refusal")], "content_filter"),
        ([TextDelta("x"), Finished("pause")], "stop"),
    ],
)
def test_every_end_has_its_reason(events, reason):
    """In the format's words, streamed and whole."""
    assert whole(events)["choices"][0]["finish_reason"] == reason
    chunks = streamed(events)
    assert [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]][-1] == reason


# ---- text ------------------------------------------------------------------------------------------------------------


def test_a_refusal_is_no_content():
    """It has a member of its own."""
    message = message_of([RefusalDelta("I "), RefusalDelta("won't"), Finished("refusal")])
    assert (message["content"], message["refusal"]) == (None, "I won't")


def test_an_empty_answer_is_empty_text():
    """And not null, which is for answers that only call."""
    assert message_of([END])["content"] == ""
    assert message_of([*CALL, CALLS_END])["content"] is None


def test_log_probabilities_come_with_their_text():
    """As the provider gave them."""
    tokens = msgspec.Raw(b'[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}]')
    events = [TextDelta("a", tokens), TextDelta("b", tokens), END]
    token = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    assert whole(events)["choices"][0]["logprobs"] == {"content": [token, token], "refusal": None}
    chunk = streamed(events)[1]["choices"][0]
    assert chunk["logprobs"] == {"content": [token], "refusal": None}


def test_text_after_a_call_or_a_search_begins_a_paragraph():
    """It is another message elsewhere; glued to the first it could not be read. Space that is there is enough."""
    search = [SearchStarted("s"), SearchDone("s", "q")]
    assert message_of([TextDelta("One."), *search, TextDelta("Two."), END])["content"] == "One.\n\nTwo."
    assert message_of([TextDelta("One.\n"), *search, TextDelta("Two."), END])["content"] == "One.\nTwo."
    assert message_of([*search, TextDelta("Two."), END])["content"] == "Two."
    sealed = [TextDelta("One."), ReasoningSealed("b"), TextDelta("Two."), END]
    assert message_of(sealed)["content"] == "One.Two."


def test_citations_are_annotations_with_places_in_the_content():
    """Stated ranges count from the text they came with; those without cover their block; files have a list of their own."""
    events: list[Event] = [
        TextDelta("0123456789"),
        Citation("https://a.test", "A", start=2, end=4),
        HostedItem("x", msgspec.Raw(b"{}")),
        TextDelta("abc"),
        Citation("https://b.test", start=0, end=3),
        TextBlock(),
        TextDelta("def"),
        Citation("https://c.test"),
        Citation(file_id="f", filename="f.pdf", cited_text="words"),
        TextBlock(),
        END,
    ]
    message = message_of(events)
    assert message["content"] == "0123456789\n\nabcdef"
    places = [note["url_citation"] for note in message["annotations"]]
    assert [(place["url"], place["start_index"], place["end_index"]) for place in places] == [
        ("https://a.test", 2, 4),
        ("https://b.test", 12, 15),
        ("https://c.test", 15, 18),
    ]
    assert [place["title"] for place in places] == ["A", "https://b.test", "https://c.test"]
    file = {"file_id": "f", "filename": "f.pdf", "start_index": 15, "end_index": 18, "cited_text": "words"}
    assert message["file_citations"] == [file]
    assert sum("annotations" in delta for delta in deltas_of(events)) == 1


# ---- calls -----------------------------------------------------------------------------------------------------------


def test_a_call_streams_its_name_and_then_its_arguments():
    """With the index in every piece, id and name in the first."""
    pieces = [delta["tool_calls"][0] for delta in deltas_of([*CALL, CALLS_END])]
    assert pieces == [
        {"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a":'}},
        {"index": 0, "function": {"arguments": "1}"}},
    ]
    assert message_of([*CALL, CALLS_END])["tool_calls"] == [called(1)]


def test_calls_at_once_are_told_apart():
    """Their pieces may come in any order."""
    events: list[Event] = [
        ToolCallStarted("a", "c1", "f"),
        ToolCallStarted("b", "c2", "g"),
        ToolCallDelta("b", "{}"),
        ToolCallDelta("a", '{"a":1}'),
        ToolCallDone("b"),
        ToolCallDone("a"),
        CALLS_END,
    ]
    assert message_of(events)["tool_calls"] == [called(1), called(2, "g", "{}")]
    assert [delta["tool_calls"][0]["index"] for delta in deltas_of(events)] == [0, 1, 1, 0]


def test_a_call_without_arguments_has_an_empty_object():
    """Clients parse the text. One that was cut stays as it is."""
    bare: list[Event] = [ToolCallStarted("k", "c1", "f")]
    assert message_of([*bare, ToolCallDone("k"), CALLS_END])["tool_calls"] == [called(1, arguments="{}")]
    assert message_of([*bare, CALLS_END])["tool_calls"] == [called(1, arguments="{}")]
    assert message_of([*bare, Finished("length")])["tool_calls"] == [called(1, arguments="")]


def test_a_custom_call_has_free_text():
    """In its own members, also when empty."""
    events: list[Event] = [
        ToolCallStarted("k", "c1", "g", custom=True),
        ToolCallDelta("k", "te"),
        ToolCallDelta("k", "xt"),
    ]
    custom = {"id": "c1", "type": "custom", "custom": {"name": "g", "input": "text"}}
    assert message_of([*events, CALLS_END])["tool_calls"] == [custom]
    assert deltas_of([*events, CALLS_END])[1]["tool_calls"] == [{"index": 0, "custom": {"input": "te"}}]
    assert message_of([events[0], CALLS_END])["tool_calls"][0]["custom"]["input"] == ""


def test_a_call_the_provider_gave_no_id_gets_one():
    """Of the answer's, so that it is like no other."""
    events = [ToolCallStarted("a", "", "f"), ToolCallStarted("b", "", "f"), CALLS_END]
    ids = [call["id"] for call in message_of(events)["tool_calls"]]
    assert ids == [f"call_{STEM}00", f"call_{STEM}01"]


def test_the_first_form_answers_with_one_function_call():
    """As `functions` expects it; should more come, they are not lost."""
    two: list[Event] = [*CALL, ToolCallStarted("b", "c2", "g"), ToolCallDone("b"), CALLS_END]
    message = message_of([*CALL, CALLS_END], legacy=True)
    assert message["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert "tool_calls" not in message
    assert deltas_of([*CALL, CALLS_END], legacy=True)[:2] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": '{"a":'}},
    ]
    assert whole([*CALL, CALLS_END], legacy=True)["choices"][0]["finish_reason"] == "function_call"
    assert message_of(two, legacy=True)["tool_calls"] == [called(2, "g", "{}")]


# ---- reasoning -------------------------------------------------------------------------------------------------------


def test_reasoning_is_shown_under_both_names():
    """Parts are paragraphs."""
    events = [ReasoningDelta("a"), ReasoningDelta("b"), ReasoningDelta("c", part=1), ItemDone(), TextDelta("x"), END]
    message = message_of(events)
    assert message["reasoning_content"] == message["reasoning"] == "ab\n\nc"
    assert "reasoning" not in message_of([TextDelta("x"), END])
    assert deltas_of(events)[0] == {"reasoning_content": "a", "reasoning": "a"}


def test_reasoning_details_hold_everything_once():
    """Each text, and the seal with whose it is; numbered over the whole answer."""
    events: list[Event] = [
        ReasoningDelta("a", part=0),
        ReasoningDelta("b", part=1),
        ReasoningSealed("blob", "thinking"),
        ReasoningDelta("raw", "content"),
        TextDelta("x"),
        ReasoningSealed("after"),
        END,
    ]
    details = message_of(events)["reasoning_details"]
    stem = f"rs_{STEM}"
    assert details == [
        {"type": "reasoning.summary", "id": f"{stem}_0_0", "index": 0, "summary": "a"},
        {"type": "reasoning.summary", "id": f"{stem}_0_0", "index": 1, "summary": "b"},
        {"type": "reasoning.encrypted", "id": f"{stem}_0_0", "index": 2, "data": "cn1.p.s.thinking.blob"},
        {"type": "reasoning.text", "id": f"{stem}_0_1", "index": 3, "text": "raw"},
        {"type": "reasoning.encrypted", "id": f"{stem}_1_2", "index": 4, "data": "cn1.p.s..after"},
    ]


def test_a_message_sent_back_gives_the_same_items():
    """Reasoning, text and calls in the order in which the provider gave them, seals byte for byte."""
    events: list[Event] = [
        ReasoningDelta("why"),
        ReasoningSealed("one"),
        TextDelta("Text"),
        ReasoningSealed("two", "redacted"),
        *CALL,
        ReasoningSealed("three"),
        ToolCallStarted("b", "c2", "g"),
        CALLS_END,
    ]
    assert items_of(message_of(events)) == [
        Reasoning(summary=["why"], seal=Seal("one", "p", "s")),
        Message("assistant", [Text("Text")]),
        Reasoning(seal=Seal("two", "p", "s", "redacted")),
        ToolCall("c1", "f", '{"a":1}'),
        Reasoning(seal=Seal("three", "p", "s")),
        ToolCall("c2", "g", "{}"),
    ]


# ---- both ways say the same, to real readers -------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        [TextDelta("text ")],
        [TextDelta("more"), ItemDone()],
        [ReasoningDelta("why")],
        [ReasoningDelta("raw", "content"), ReasoningSealed("blob", "thinking")],
        [ReasoningSealed("only")],
        [SearchStarted("s"), SearchDone("s", "q")],
        [TextDelta("cited"), Citation("https://a.test", "A", start=0, end=3), Citation("https://b.test")],
        [TextBlock()],
    ]
)


@given(st.lists(PIECES, max_size=8), st.integers(0, 3))
def test_the_official_sdk_adds_a_stream_up_to_the_whole_answer(pieces, calls):
    """Whatever comes: text, calls, reasoning, details, annotations and counts are the same both ways."""
    events: list[Event] = [event for piece in pieces for event in piece]
    for number in range(calls):
        events += [
            ToolCallStarted(f"k{number}", f"c{number}", "f"),
            ToolCallDelta(f"k{number}", "{}"),
            ToolCallDone(f"k{number}"),
        ]
    events += [USED, Finished("tool_calls" if calls else "stop")]
    state = ChatCompletionStreamState()
    for chunk in streamed(events):
        msgspec.convert(chunk, objects.ChatCompletionChunk)
        state.handle_chunk(sdk.ChatCompletionChunk.model_validate(chunk))
    added = state.get_final_completion()
    answer = sdk.ChatCompletion.model_validate(whole(events))
    msgspec.json.decode(json.dumps(whole(events)), type=objects.ChatCompletion)
    one, other = added.choices[0], answer.choices[0]
    assert (one.message.content or None) == (other.message.content or None)
    assert one.finish_reason == other.finish_reason
    assert added.usage == answer.usage
    for name in ("reasoning_content", "reasoning", "reasoning_details"):
        assert (one.message.model_extra or {}).get(name) == (other.message.model_extra or {}).get(name)
    assert (one.message.annotations or []) == (other.message.annotations or [])
    assert [call.id for call in one.message.tool_calls or []] == [call.id for call in other.message.tool_calls or []]
