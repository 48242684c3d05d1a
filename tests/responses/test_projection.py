"""Events become the public stream: order, indices, ids, and the rules of Open Responses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.errors import ProviderFailed
from services.responses.projection import Projection
from services.vocabulary.event import (
    Citation,
    Event,
    Finished,
    ItemDone,
    Loss,
    Opened,
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
from tests.responses.kit import call_of, project

REQUIRED = set(
    "id object created_at completed_at status incomplete_details model previous_response_id instructions output error"
    " tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty top_logprobs"
    " temperature reasoning usage max_output_tokens max_tool_calls store background service_tier metadata"
    " safety_identifier prompt_cache_key".split()
)


def types(stream):
    return [event["type"].removeprefix("response.") for event in stream]


def test_a_text_answer_has_open_responses_order():
    """created, in_progress, item, part, deltas, and everything closed again before completed."""
    stream, response = project([TextDelta("Hel"), TextDelta("lo"), UsageReported(Usage(1, output=2)), Finished("stop")])
    assert types(stream) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["sequence_number"] for event in stream] == list(range(10))
    assert response["output"][0]["content"][0] == {
        "type": "output_text",
        "text": "Hello",
        "annotations": [],
        "logprobs": [],
    }
    assert response["usage"]["total_tokens"] == 3
    assert (response["status"], response["completed_at"], response["stop_reason"]) == ("completed", 101, "end_turn")


def test_all_31_keys_are_in_every_response_object():
    """Open Responses wants every key in every event that carries a response; these must not be null."""
    stream, _ = project([Finished("stop")])
    for event in stream:
        assert set(event["response"]) >= REQUIRED
        for key in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "service_tier", "text", "tools"):
            assert event["response"][key] is not None


def test_reasoning_then_a_call_then_text():
    """Each kind closes the one before; reasoning carries its tagged seal; a call keeps its id and name."""
    stream, response = project(
        [
            ReasoningDelta("Let me "),
            ReasoningDelta("think."),
            ReasoningSealed("SIG", "thinking"),
            ToolCallStarted("0", "call_1", "f"),
            ToolCallDelta("0", '{"a"'),
            ToolCallDelta("0", ":1}"),
            ToolCallDone("0"),
            TextDelta("Done."),
            Finished("stop"),
        ]
    )
    reasoning, call, message = response["output"]
    assert reasoning["summary"] == [{"type": "summary_text", "text": "Let me think."}]
    assert reasoning["encrypted_content"] == "cn1.p.s.thinking.SIG"
    assert "content" not in reasoning
    assert (call["call_id"], call["name"], call["arguments"], call["status"]) == ("call_1", "f", '{"a":1}', "completed")
    assert message["content"][0]["text"] == "Done."
    order = [(e["output_index"], e["type"]) for e in stream if e["type"].startswith("response.output_item")]
    assert [index for index, _ in order] == [0, 0, 1, 1, 2, 2]


def test_the_kind_of_readable_reasoning_survives_without_a_blob():
    """A provider may have two kinds of reasoning and prove neither; only an empty kind has nothing to remember."""
    _, response = project([ReasoningDelta("I will look."), ReasoningSealed("", "plan"), Finished("stop")])
    assert response["output"][0]["encrypted_content"] == "cn1.p.s.plan."
    _, response = project([ReasoningDelta("I will look."), ReasoningSealed(""), Finished("stop")])
    assert "encrypted_content" not in response["output"][0]


def test_parallel_calls_may_interleave():
    """Deltas of two calls that are open at once go to their own items."""
    _, response = project(
        [
            ToolCallStarted("a", "c1", "f"),
            ToolCallStarted("b", "", "g"),
            ToolCallDelta("a", "{}"),
            ToolCallDelta("b", '{"x":2}'),
            Finished("tool_calls"),
        ]
    )
    assert [(c["name"], c["arguments"]) for c in response["output"]] == [("f", "{}"), ("g", '{"x":2}')]
    assert response["output"][1]["call_id"].startswith("call_")
    assert response["stop_reason"] == "tool_use"


def test_a_function_without_arguments_gets_an_empty_object():
    """Clients parse the arguments, so they are never an empty text."""
    stream, response = project([ToolCallStarted("0", "c", "f"), ToolCallDone("0"), Finished("tool_calls")])
    assert response["output"][0]["arguments"] == "{}"
    assert "function_call_arguments.delta" in types(stream)


@pytest.mark.parametrize("end", [[], [ItemDone()]], ids=["open", "already ended by the provider"])
def test_the_last_item_of_a_cut_answer_is_incomplete(end):
    """A message cut at the token limit is incomplete, even where the provider closed its block first."""
    stream, response = project([TextDelta("Once"), *end, Finished("length")])
    assert stream[-1]["type"] == "response.incomplete"
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["output"][-1]["status"] == "incomplete"
    assert stream[-2]["item"] == response["output"][-1]


def test_citations_cover_their_block():
    """A citation without positions covers the text block it came in; one with positions covers those."""
    _, response = project(
        [
            TextDelta("Intro. "),
            TextBlock(),
            Citation(url="https://a.test", title="A", cited_text="x"),
            TextDelta("Fact."),
            TextBlock(),
            TextDelta(" End."),
            Citation(url="https://b.test", start=0, end=5),
            Finished("stop"),
        ]
    )
    part = response["output"][0]["content"][0]
    found = {(a["url"], part["text"][a["start_index"] : a["end_index"]]) for a in part["annotations"]}
    assert found == {("https://a.test", "Fact."), ("https://b.test", "Intro")}


def test_a_search_is_an_item_of_its_own():
    """A web search has the item and the events OpenAI defines."""
    stream, response = project(
        [SearchStarted("s"), SearchDone("s", "news", ["https://a.test"]), TextDelta("x"), Finished("stop")]
    )
    assert response["output"][0]["action"] == {
        "type": "search",
        "query": "news",
        "sources": [{"type": "url", "url": "https://a.test"}],
    }
    assert [t for t in types(stream) if t.startswith("web_search")] == [
        "web_search_call.in_progress",
        "web_search_call.searching",
        "web_search_call.completed",
    ]


def test_a_refusal_is_a_part():
    """A refusal is a part of its own kind, and the response is complete."""
    _, response = project([RefusalDelta("No."), Finished("refusal")])
    assert response["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert response["status"] == "completed"


def test_losses_are_reported_once_per_parameter():
    """What was lost stands in the response."""
    _, response = project([Finished("stop")], None, [Loss("seed", "dropped", "a"), Loss("seed", "dropped", "b")])
    assert [loss["param"] for loss in response["translation_losses"]] == ["seed"]


def test_the_request_is_echoed():
    """Tools, tool choice, format and options come back as they were in force."""
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}}
    call = call_of(tools=[tool], tool_choice={"type": "function", "name": "f"}, temperature=0.5, metadata={"a": "b"})
    _, response = project([Finished("stop")], call)
    assert response["tools"] == [{**tool, "description": None, "strict": None}]
    assert response["tool_choice"] == {"type": "function", "name": "f"}
    assert (response["temperature"], response["metadata"]) == (0.5, {"a": "b"})


def test_a_failure_closes_what_is_open():
    """After a failure the stream has the error, nested, and then response.failed with what there was."""
    projection = Projection(call_of(), "p/m", Opened("p", "s"), "resp_1", 100)
    projection.start()
    projection.feed([TextDelta("Half")])
    events = projection.fail(ProviderFailed("p/m broke off", model="p/m"), None)
    names = [event.__struct_config__.tag for event in events]
    assert names[-3:] == ["response.output_item.done", "error", "response.failed"]
    error, failed = events[-2:]
    assert error.error.code == "provider_error"  # type: ignore[union-attr]
    assert failed.response.output[0].status == "incomplete"  # type: ignore[union-attr]
    assert [event.sequence_number for event in events] == list(range(5, 5 + len(events)))


pieces = st.text(min_size=1, max_size=5)
chunks = st.one_of(
    pieces.map(TextDelta),
    pieces.map(RefusalDelta),
    st.builds(ReasoningDelta, pieces, st.sampled_from(["summary", "content"]), st.integers(0, 2)),
    pieces.map(ReasoningSealed),
    st.just(ItemDone()),
    st.just(TextBlock()),
    st.builds(Citation, url=pieces),
)


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """Any answer a dialect may give, in any order it may give it."""
    events: list[Event] = []
    for n in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            events += [
                ToolCallStarted(str(n), "", "f"),
                *draw(st.lists(st.builds(ToolCallDelta, st.just(str(n)), pieces))),
            ]
            events += [ToolCallDone(str(n))] if draw(st.booleans()) else []
        else:
            events += draw(st.lists(chunks, max_size=4))
    return [*events, Finished(draw(st.sampled_from(["stop", "length", "content_filter"])))]


@given(answers())
def test_every_answer_gives_a_well_formed_stream(events):
    """Whatever comes, in any order: numbers have no gaps, every item opens and closes once, deltas add up to the end."""
    stream, response = project(events)
    assert [event["sequence_number"] for event in stream] == list(range(len(stream)))
    added = [e["output_index"] for e in stream if e["type"] == "response.output_item.added"]
    done = {e["output_index"]: e["item"] for e in stream if e["type"] == "response.output_item.done"}
    assert added == list(range(len(response["output"])))
    assert [done[index] for index in added] == response["output"]
    for index, item in done.items():
        said: dict[str, str] = {}
        for event in stream:
            if event.get("output_index") == index and event["type"].endswith(".delta"):
                said[event["type"]] = said.get(event["type"], "") + event["delta"]
        assert sorted(said.values()) == sorted(filter(None, _texts(item)))
    incomplete = [item for item in response["output"] if item.get("status") == "incomplete"]
    assert all(item == response["output"][-1] for item in incomplete)
    assert json.dumps(response)


def _texts(item):
    if item["type"] == "function_call":
        return [item["arguments"]]
    if item["type"] == "reasoning":
        return ["".join(part["text"] for part in item.get(name, [])) for name in ("summary", "content")]
    return ["".join(part.get(kind, "") for part in item["content"]) for kind in ("text", "refusal")]
