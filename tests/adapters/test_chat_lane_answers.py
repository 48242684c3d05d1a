"""Chat's native lane back: chunks and answers pass as they came, however they arrive; what is billed is read on the way."""

import json
from typing import Any

import msgspec
import pytest

from services.adapters.dialect import Kind, UpstreamError
from services.adapters.dialects.openai_chat import OpenAIChat
from services.chat import intake
from services.chat.native import NativeWriter
from services.vocabulary.cost import Cost
from services.vocabulary.event import Event, Finished, NativeAnswer, UsageReported
from services.vocabulary.usage import Usage
from tests.adapters.openai_chat_rows import LOCAL, target
from tests.chat.kit import ANSWERED, STEM, chunks_of

Json = dict[str, Any]

CALL = intake.read(b'{"model":"acme/m","messages":[{"role":"user","content":"hi"}],"stream":true}').call
SEARCHING = intake.read(b'{"model":"acme/m","messages":[{"role":"user","content":"hi"}],"web_search_options":{}}').call
TARGET = target(LOCAL)
DIALECT = OpenAIChat()
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, "prompt_tokens_details": {"cached_tokens": 6}}


def chunk(delta: Json | None = None, finish: str | None = None, **fields: Any) -> bytes:
    """A chunk as OpenAI writes it."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    made = {
        "id": "chatcmpl-x",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "up-1",
        "choices": choices,
        **fields,
    }
    return b"data: %b\n\n" % json.dumps(made, separators=(",", ":"), ensure_ascii=False).encode()


def read(stream: bytes, size: int = 1 << 20, call: Any = CALL) -> list[Event]:
    """The events of a stream that arrives in pieces of this size."""
    framer, decoder = DIALECT.framing(call)(), DIALECT.decoder(call, TARGET)
    events: list[Event] = []
    for start in range(0, len(stream), size):
        for frame in framer.feed(stream[start : start + size]):
            events += decoder.feed(frame)
    for frame in framer.close():
        events += decoder.feed(frame)
    return [*events, *decoder.close()]


def sent(stream: bytes, size: int = 1 << 20, *, include_usage: bool = True, cost: Cost | None = None) -> bytes:
    """What the client gets."""
    writing = NativeWriter(ANSWERED, include_usage=include_usage)
    return b"".join([writing.feed([event]) for event in read(stream, size)]) + writing.complete(cost)


def named(stream: bytes) -> bytes:
    """The stream with our id and model."""
    return stream.replace(b'"id":"chatcmpl-x"', b'"id":"chatcmpl-%b"' % STEM.encode()).replace(
        b'"model":"up-1"', b'"model":"p/m"'
    )


DELTAS = (
    chunk({"role": "assistant", "content": ""}, usage=None)
    + chunk({"content": 'a\u2028"id":"chatcmpl-x"\n\nb'}, usage=None)
    + chunk({"content": "\U0001f600", "new": {"z": 1, "a": 9007199254740993}}, usage=None)
    + chunk({"content": "c"}, usage=None, obfuscation="xyz")
)
STREAM = DELTAS + chunk({}, "stop", usage=None) + chunk(usage=USAGE) + DONE


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
def test_chunks_pass_byte_for_byte_but_for_id_and_model(size):
    """However they arrive; the last has our own members besides."""
    data = sent(STREAM, size)
    assert data.startswith(named(DELTAS))
    finish, last = chunks_of(data[len(named(DELTAS)) :])
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert (last["choices"], last["usage"]) == ([], USAGE)
    assert (last["cost"], last["routing"]["served"]) == (None, "p/m")
    assert last["translation_losses"][0]["param"] == "seed"


@pytest.mark.parametrize("size", [7, 1 << 20])
def test_counts_the_client_did_not_ask_for_are_taken_out(size):
    """No chunk of counts, and no null in the others."""
    chunks = chunks_of(sent(STREAM, size, include_usage=False, cost=Cost(5)))
    assert not any("usage" in each for each in chunks)
    assert len(chunks) == 5
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["cost"]["total"] == 5e-9
    assert chunks[3]["obfuscation"] == "xyz"


def test_counts_in_the_last_choice_are_taken_out_of_it():
    """Mistral and xAI count there."""
    stream = chunk({"content": "a"}) + chunk({"content": ""}, "stop", usage=USAGE) + DONE
    chunks = chunks_of(sent(stream, include_usage=False))
    assert (len(chunks), "usage" in chunks[1]) == (2, False)
    assert chunks_of(sent(stream))[1]["usage"] == USAGE


def test_usage_and_finish_are_read_on_the_way():
    """In disjoint classes, after all chunks."""
    events = read(STREAM)
    assert events[-2:] == [UsageReported(Usage(input=4, cache_read=6, output=4)), Finished("stop")]
    assert len([event for event in events if isinstance(event, Finished)]) == 1


@pytest.mark.parametrize(
    ("finish", "delta", "reason"),
    [
        ("stop", {}, "stop"),
        ("length", {}, "length"),
        ("tool_calls", {}, "tool_calls"),
        ("content_filter", {}, "content_filter"),
        ("stop", {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}, "tool_calls"),
    ],
)
def test_the_end_is_read_in_our_words(finish, delta, reason):
    """A forced call ends with `stop` at OpenAI; the client sees it as it came."""
    stream = chunk(delta) + chunk({}, finish) + DONE
    assert read(stream)[-1] == Finished(reason)
    assert chunks_of(sent(stream))[-1]["choices"][0]["finish_reason"] == finish


def test_chunks_that_name_themselves_otherwise_get_our_names_too():
    """Azure's first has empty names; some have none, or others as they go."""
    stream = (
        b'data: {"choices":[],"id":"","model":"","object":"","prompt_filter_results":[{"a":1}]}\n\n'
        + chunk({"content": "a"}).replace(b'"id":"chatcmpl-x",', b"")
        + chunk({"content": "b"})
        + chunk({"content": "c"}).replace(b"up-1", b"up-2")
        + chunk({"content": "d"}).replace(b'"id":"chatcmpl-x"', b'"id": "chatcmpl-x"')
        + chunk({}, "stop")
        + DONE
    )
    for size in (1, 1 << 20):
        chunks = chunks_of(sent(stream, size))
        assert {(each["id"], each["model"]) for each in chunks} == {(f"chatcmpl-{STEM}", "p/m")}
        assert [each["choices"][0]["delta"].get("content") for each in chunks[1:]] == ["a", "b", "c", "d", None]
    assert chunks[0]["prompt_filter_results"] == [{"a": 1}]


def test_several_answers_at_once_pass():
    """The end of one does not hold up the others."""
    two = [chunk({"content": "a"}), chunk({}, "stop"), chunk({"content": "b"}), chunk({}, "length")]
    stream = b"".join(part.replace(b'"index":0', b'"index":1') if at in (2, 3) else part for at, part in enumerate(two))
    chunks = chunks_of(sent(stream + chunk(usage=USAGE) + DONE))
    assert [(each["index"], each["finish_reason"]) for piece in chunks for each in piece["choices"]] == [
        (0, None),
        (1, None),
        (0, "stop"),
        (1, "length"),
    ]


# ---- failures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        (DELTAS, Kind.TRUNCATED),
        (DELTAS + DONE, Kind.TRUNCATED),
        (DELTAS + chunk({}, "stop"), Kind.TRUNCATED),
        (DELTAS + b'data: {"error":{"message":"busy","type":"server_error"}}\n\n', Kind.UNAVAILABLE),
        (DELTAS + b'event: error\ndata: {"message":"no"}\n\n', Kind.FAILED),
        (DELTAS + chunk({}, "error") + DONE, Kind.FAILED),
        (DELTAS + b"data: {broken\n\n", Kind.PROTOCOL),
        (DELTAS + b'data: {"choices":5}\n\n', Kind.PROTOCOL),
    ],
    ids=["cut", "no finish", "no done", "error", "named error", "gave up", "no json", "no chunk"],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_stream_that_fails_never_looks_complete(stream, kind, size):
    """Whose fault it is, is told."""
    with pytest.raises(UpstreamError) as caught:
        read(stream, size)
    assert caught.value.kind is kind


# ---- calls that are written badly ------------------------------------------------------------------------------------


def call(name: str | None = None, arguments: Any = "", **fields: Any) -> Json:
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return {"function": function, **fields}


BADLY = {
    "no index": [call("f", '{"a"', id="c1"), call(None, ":1}"), call("g", "{}", id="c2")],
    "all numbered 0": [call("f", '{"a":1}', id="c1", index=0), call("g", "{}", id="c2", index=0)],
    "an object": [call("f", {"a": 1}, id="c1", index=0), call("g", {}, id="c2", index=1)],
    "no index, id repeated": [call("f", '{"a"', id="c1"), call(None, ":1}", id="c1"), call("g", "{}", id="c2")],
}


@pytest.mark.parametrize("name", BADLY)
def test_calls_are_mended_for_clients_of_openais(name):
    """Each piece has the index of its call, arguments are text."""
    stream = b"".join(chunk({"tool_calls": [each]}) for each in BADLY[name]) + chunk({}, "tool_calls") + DONE
    found: dict[int, Json] = {}
    for each in chunks_of(sent(stream)):
        for piece in each["choices"][0]["delta"].get("tool_calls", []):
            whole = found.setdefault(piece["index"], {"id": piece.get("id"), "name": "", "arguments": ""})
            whole["name"] += piece["function"].get("name", "")
            whole["arguments"] += piece["function"]["arguments"]
    assert found == {
        0: {"id": "c1", "name": "f", "arguments": '{"a":1}'},
        1: {"id": "c2", "name": "g", "arguments": "{}"},
    }


def test_calls_without_ids_get_some():
    """Streamed and whole, of the answer's own id, so that results can name them."""
    pieces = [{"tool_calls": [call("f", "{}", index=0)]}, {"tool_calls": [call("g", "{}", index=1)]}]
    stream = b"".join(chunk(piece) for piece in pieces) + chunk({}, "tool_calls") + DONE
    ids = [
        piece["id"] for each in chunks_of(sent(stream)) for piece in each["choices"][0]["delta"].get("tool_calls", [])
    ]
    assert ids == ["call_chatcmpl-x_0", "call_chatcmpl-x_1"]
    body = answer({"content": None, "tool_calls": [call("f", "{}", id=""), call("g", "{}")]}, "tool_calls")
    calls = json.loads(whole(body))["choices"][0]["message"]["tool_calls"]
    assert [each["id"] for each in calls] == ids


def test_sound_calls_pass_byte_for_byte():
    """Also several in one chunk, and pieces that repeat the id."""
    first = [call("f", "", id="c1", index=0), call("g", "", id="c2", index=1)]
    stream = chunk({"tool_calls": first}) + chunk({"tool_calls": [call(None, "{}", index=1, id="c2")]})
    stream += chunk({"tool_calls": [call(None, "{}", index=0)]})
    assert sent(stream + chunk({}, "tool_calls") + DONE).startswith(named(stream))


# ---- whole answers ---------------------------------------------------------------------------------------------------


def answer(message: Json, finish: str | None = "stop", **fields: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps({"id": "chatcmpl-x", "model": "up-1", "choices": [choice], "usage": USAGE, **fields}).encode()


def whole(body: bytes) -> bytes:
    """What the client gets of a whole answer."""
    writing = NativeWriter(ANSWERED, include_usage=False)
    writing.take(DIALECT.answer(body, CALL, TARGET))
    return writing.whole(Cost(7))


def test_a_whole_answer_passes_with_our_names_and_members():
    """All else as the provider wrote it, its counts included."""
    body = answer({"content": "hi", "new": 9007199254740993}, choice_extra={"z": 1, "a": 2})
    made = json.loads(whole(body))
    assert (made["id"], made["model"], made["usage"]) == (f"chatcmpl-{STEM}", "p/m", USAGE)
    assert made["choices"] == json.loads(body)["choices"]
    assert (made["cost"]["total"], made["choice_extra"]) == (7e-9, {"z": 1, "a": 2})
    events = DIALECT.answer(body, CALL, TARGET)
    assert events == [UsageReported(Usage(input=4, cache_read=6, output=4)), Finished("stop"), NativeAnswer(body)]


def test_searches_of_search_models_are_counted():
    """They look up the web for every answer and never say so; the citations show it."""
    note = {"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}
    body = msgspec.json.encode(json.loads(answer({"content": "hi", "annotations": [note]})))
    [used, *_] = DIALECT.answer(body, SEARCHING, TARGET)
    assert isinstance(used, UsageReported)
    assert used.usage.web_searches == 1


@pytest.mark.parametrize("body", [b"[]", b"{", answer({"content": "x"}, None), b'{"error":"no"}'])
def test_a_body_that_is_no_answer_is_the_providers_fault(body):
    """Nothing of it reaches the client."""
    with pytest.raises(UpstreamError):
        DIALECT.answer(body, CALL, TARGET)
